import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The freezer of one control group. A frozen process gets no CPU; data sent to it waits in the kernel. */
export interface Freezer {
  freeze(): Promise<void>;
  thaw(): Promise<void>;
}

/** How often version 1 is asked to freeze before that is left to the kernel. */
const V1_ATTEMPTS = 20;

/**
 * The freezer of version 1. It can miss a process that starts while it freezes, and then stays in FREEZING (kernel documentation,
 * cgroup-v1/freezer-subsystem); writing FROZEN again includes that process. A process that is still not frozen after that is
 * in an uninterruptible operation, and freezes when that ends.
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

/** The freezer of version 2: the kernel freezes all processes in the group and those that start in it. */
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

/** Parses `/proc/<pid>/cgroup`: the version that can freeze the process, and the path below its mount. */
export function freezerPathOf(cgroups: string): { version: 1 | 2; path: string } | undefined {
  let unified: string | undefined;
  for (const line of cgroups.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined) continue;
    // Where both are mounted, the engine uses version 1.
    if (controllers?.split(',').includes('freezer')) return { version: 1, path };
    if (controllers === '') unified = path;
  }
  return unified === undefined ? undefined : { version: 2, path: unified };
}

/** Opens without O_CREAT, so that a missing control group is reported as such. */
async function write(path: string, text: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.write(text);
  } finally {
    await file.close();
  }
}
