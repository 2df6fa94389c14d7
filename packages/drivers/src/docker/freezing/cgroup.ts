import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The freezer of one control group. A frozen process gets no CPU; what others send it waits in the kernel. */
export interface Freezer {
  freeze(): Promise<void>;
  thaw(): Promise<void>;
}

/** How often the first version is told to freeze before that is left to the kernel. */
const V1_ATTEMPTS = 20;

/**
 * The freezer of version 1. It can miss a process that is started while it freezes, and says so by staying in FREEZING
 * (kernel documentation, cgroup-v1/freezer-subsystem): told again it takes that one as well. What still is not frozen
 * after that is in the middle of an uninterruptible operation, and stops when it comes out of it.
 */
export class FreezerV1 implements Freezer {
  private readonly path: string;

  constructor(directory: string) {
    this.path = join(directory, 'freezer.state');
  }

  async freeze(): Promise<void> {
    for (let attempt = 1; attempt <= V1_ATTEMPTS; attempt += 1) {
      await write(this.path, 'FROZEN');
      if ((await readFile(this.path, 'latin1')).trim() === 'FROZEN') return;
    }
  }

  thaw(): Promise<void> {
    return write(this.path, 'THAWED');
  }
}

/** The freezer of version 2: the kernel freezes everything in the group and what is started in it. */
export class FreezerV2 implements Freezer {
  private readonly path: string;

  constructor(directory: string) {
    this.path = join(directory, 'cgroup.freeze');
  }

  freeze(): Promise<void> {
    return write(this.path, '1');
  }

  thaw(): Promise<void> {
    return write(this.path, '0');
  }
}

/** Where a process is, by the text of its `/proc/<pid>/cgroup`: which version can freeze it, and the path below its mount. */
export function freezerPathOf(cgroups: string): { version: 1 | 2; path: string } | undefined {
  let unified: string | undefined;
  for (const line of cgroups.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined) continue;
    // Where both are mounted the engine freezes through the first.
    if (controllers?.split(',').includes('freezer')) return { version: 1, path };
    if (controllers === '') unified = path;
  }
  return unified === undefined ? undefined : { version: 2, path: unified };
}

/** Not with O_CREAT: a control group that is gone must be reported as absent. */
async function write(path: string, text: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.write(text);
  } finally {
    await file.close();
  }
}
