import { writeSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';

/** The freezer of one container. A frozen process gets no CPU; data sent to it waits in the kernel. */
export interface Freezer {
  freeze(): Promise<void>;
  /** If it returns nothing, the processes are thawed when it returns. */
  thaw(): Promise<void> | undefined;
  /** Neither freezes nor thaws any more. */
  close(): Promise<void>;
}

/** How often version 1 is asked to freeze before that is left to the kernel. */
const V1_ATTEMPTS = 20;
/** More than any state that version 1 reports. */
const STATE_BYTES = 32;

/**
 * The file of a control group that freezes it, open from the first freeze on: a call waits for the thaw, which then is one write of
 * 25 µs. In Node's thread pool, opening, writing and closing took ten times as much.
 */
class FreezerFile {
  private file: FileHandle | undefined;

  constructor(private readonly path: string) {}

  async write(text: string): Promise<void> {
    await (await this.opened()).write(text, 0);
  }

  writeNow(text: string): void {
    if (this.file !== undefined) writeSync(this.file.fd, text, 0);
  }

  async read(): Promise<string> {
    const { bytesRead, buffer } = await (await this.opened()).read(Buffer.alloc(STATE_BYTES), 0, STATE_BYTES, 0);
    return buffer.toString('latin1', 0, bytesRead).trim();
  }

  async close(): Promise<void> {
    const { file } = this;
    this.file = undefined;
    await file?.close();
  }

  /** Without O_CREAT, so that a missing control group is reported as such. */
  private async opened(): Promise<FileHandle> {
    this.file ??= await open(this.path, 'r+');
    return this.file;
  }
}

/**
 * The freezer of version 1. It can miss a process that starts while it freezes, and then stays in FREEZING (kernel documentation,
 * cgroup-v1/freezer-subsystem); writing FROZEN again includes that process. A process that is still not frozen after that is
 * in an uninterruptible operation, and freezes when that ends.
 */
export class FreezerV1 implements Freezer {
  private readonly file: FreezerFile;

  constructor(directory: string) {
    this.file = new FreezerFile(join(directory, 'freezer.state'));
  }

  async freeze(): Promise<void> {
    for (let attempt = 1; attempt <= V1_ATTEMPTS; attempt += 1) {
      await this.file.write('FROZEN');
      if ((await this.file.read()) === 'FROZEN') return;
    }
  }

  thaw(): undefined {
    this.file.writeNow('THAWED');
  }

  close(): Promise<void> {
    return this.file.close();
  }
}

/** The freezer of version 2: the kernel freezes all processes in the group and those that start in it. */
export class FreezerV2 implements Freezer {
  private readonly file: FreezerFile;

  constructor(directory: string) {
    this.file = new FreezerFile(join(directory, 'cgroup.freeze'));
  }

  freeze(): Promise<void> {
    return this.file.write('1');
  }

  thaw(): undefined {
    this.file.writeNow('0');
  }

  close(): Promise<void> {
    return this.file.close();
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
