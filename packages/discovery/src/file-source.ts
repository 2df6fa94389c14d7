import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { DirectoryWatch, type Timer } from '@fnfleet/core';
import type { MembershipListener, MembershipSource, SourceDeps } from './membership.js';
import { RetryingSource } from './retrying-source.js';

/** Also without a word from the system: it does not tell of changes on every file system. */
const REREAD_MS = 10_000;
/** Whoever writes in place causes several events. */
const SETTLE_MS = 50;
const MAX_BYTES = 1024 * 1024;

/** One address a line, in the order of the file; `#` begins a comment. */
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
      // The file is still read every few seconds.
      onFailure: (error) => deps.logger.warn('the file of runners cannot be watched', { path, error }),
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

/** @throws Error when the file is empty: it is about to be written. That there are no runners is said by a comment alone. */
async function readBounded(path: string): Promise<string> {
  // A pipe that nobody writes to would be waited for.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw new Error(`${path} is not a file`);
    if (stats.size > MAX_BYTES)
      throw new Error(`${path} has ${stats.size} bytes; a list of runners has up to ${MAX_BYTES}`);
    const text = await file.readFile('utf8');
    if (text.trim() === '') throw new Error(`${path} is empty; a comment in it says that this is meant`);
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
