import { type FSWatcher, watch } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Timer } from '@fnfleet/core';
import type { MembershipListener, MembershipSource, SourceDeps } from './membership.js';
import { RetryingSource } from './retrying-source.js';

/** Also without a word from the system: it does not tell of changes on every file system. */
const REREAD_MS = 10_000;
/** Whoever writes in place causes several events. */
const SETTLE_MS = 50;
const MAX_BYTES = 1024 * 1024;

/**
 * One address a line, in the order of the file; `#` begins a comment. The directory is watched, not the file: a file that
 * is replaced by a rename, as it should be, is another file, and Kubernetes renames the directory it mounts (`..data`).
 */
export class FileSource implements MembershipSource {
  private readonly source: RetryingSource;
  private watched: { readonly watcher: FSWatcher; readonly inode: number } | undefined;
  private settling: Timer | undefined;
  private closed = false;
  private watchFailed = false;

  constructor(
    private readonly path: string,
    private readonly deps: SourceDeps,
  ) {
    this.source = new RetryingSource(async (found) => {
      await this.watchDirectory();
      found.onMembers(linesOf(await readBounded(path)));
      return REREAD_MS;
    }, deps);
  }

  start(listener: MembershipListener): void {
    this.source.start(listener);
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.source.close();
    this.settling?.cancel();
    this.unwatch();
  }

  /** Sees to it that the directory of that name is watched, also when it is another one than before. */
  private async watchDirectory(): Promise<void> {
    const directory = dirname(this.path);
    const { ino: inode } = await stat(directory);
    if (this.closed || this.watched?.inode === inode) return;
    this.unwatch();
    try {
      const watcher = watch(directory, { persistent: false }, (_event, name) => this.onEvent(name));
      watcher.on('error', () => this.unwatch());
      this.watched = { watcher, inode };
      this.watchFailed = false;
    } catch (error) {
      // The number of watches on a machine is limited. The file is still read every few seconds.
      if (!this.watchFailed) this.deps.logger.warn('the file of runners cannot be watched', { path: this.path, error });
      this.watchFailed = true;
    }
  }

  private onEvent(name: string | null): void {
    // The last: the directory itself was moved.
    const ours = [basename(this.path), '..data', basename(dirname(this.path))];
    if (name !== null && !ours.includes(name)) return;
    this.settling ??= this.deps.clock.after(SETTLE_MS, () => {
      this.settling = undefined;
      this.source.wake();
    });
  }

  private unwatch(): void {
    this.watched?.watcher.close();
    this.watched = undefined;
  }
}

/** @throws Error when the file is empty: it is about to be written. That there are no runners is said by a comment alone. */
async function readBounded(path: string): Promise<string> {
  const file = await open(path);
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
