import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { DirectoryWatch, type Timer } from '@fnfleet/core';
import type { MembershipListener, MembershipSource, SourceDeps } from './membership.js';
import { RetryingSource } from './retry-loop.js';

/** Polling interval, because not every file system reports changes. */
const REREAD_MS = 10_000;
/** A file that is written in place causes several events. */
const SETTLE_MS = 50;
const MAX_BYTES = 1024 * 1024;

/** One address per line, in the order of the file; `#` begins a comment. */
export class FileSource implements MembershipSource {
  private readonly source: RetryingSource;
  private readonly watch: DirectoryWatch;
  private settling: Timer | undefined;

  constructor(
    path: string,
    private readonly deps: SourceDeps,
  ) {
    this.watch = DirectoryWatch.ofFile(path, {
      onEvent: () => this.onEvent(),
      // The file is still polled.
      onFailure: (error) => deps.logger.warn('cannot watch the runner file, polling it instead', { path, error }),
    });
    this.source = new RetryingSource(async (found) => {
      await this.watch.renew();
      found.onMembers(linesOf(await readBounded(path)));
      return REREAD_MS;
    }, deps);
  }

  start(listener: MembershipListener): void {
    this.source.start(listener);
  }

  async close(): Promise<void> {
    this.watch.close();
    await this.source.close();
    this.settling?.cancel();
  }

  private onEvent(): void {
    this.settling ??= this.deps.clock.after(SETTLE_MS, () => {
      this.settling = undefined;
      this.source.wake();
    });
  }
}

/** @throws Error if the file is empty, because it may be about to be written. A comment alone means that there are no runners. */
async function readBounded(path: string): Promise<string> {
  // Reading a pipe without a writer would block.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw new Error(`${path} is not a file`);
    if (stats.size > MAX_BYTES)
      throw new Error(`${path} has ${stats.size} bytes; the limit for a list of runners is ${MAX_BYTES}`);
    const text = await file.readFile('utf8');
    if (text.trim() === '') throw new Error(`${path} is empty; add a comment if there are no runners`);
    return text;
  } finally {
    await file.close();
  }
}

function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '');
}
