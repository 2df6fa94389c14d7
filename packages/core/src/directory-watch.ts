import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';

export interface DirectoryWatchOptions {
  /** Names of the files to watch. */
  readonly names: readonly string[];
  /** Called when one of them may have changed. A file that is written in place causes several calls. */
  readonly onEvent: () => void;
  /** Called when watching fails, for example because the machine limits the number of watches; once until it works again. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * Reports changes to files of one directory. It watches the directory and not the files, because a file that is replaced by a
 * rename is another file, and Kubernetes renames the directory it mounts (`..data`). Some file systems do not report changes,
 * so a caller that must not miss one also polls.
 */
export class DirectoryWatch {
  private watched: { readonly watcher: FSWatcher; readonly inode: number } | undefined;
  private failed = false;
  private closed = false;
  private readonly names: ReadonlySet<string>;

  constructor(
    private readonly directory: string,
    private readonly options: DirectoryWatchOptions,
  ) {
    // The last case: the directory itself was moved.
    this.names = new Set([...options.names, '..data', basename(directory)]);
  }

  /** Watches one file. */
  static ofFile(path: string, options: Omit<DirectoryWatchOptions, 'names'>): DirectoryWatch {
    return new DirectoryWatch(dirname(path), { ...options, names: [basename(path)] });
  }

  /**
   * Makes sure that the directory with this name is watched, even after it was replaced.
   * @throws if it does not exist
   */
  async renew(): Promise<void> {
    const { ino: inode } = await stat(this.directory);
    if (this.closed || this.watched?.inode === inode) return;
    this.unwatch();
    try {
      const watcher = watch(this.directory, { persistent: false }, (_event, name) => {
        if (name === null || this.names.has(name)) this.options.onEvent();
      });
      watcher.on('error', () => this.unwatch());
      this.watched = { watcher, inode };
      this.failed = false;
    } catch (error) {
      if (!this.failed) this.options.onFailure(error);
      this.failed = true;
    }
  }

  /** Idempotent. */
  close(): void {
    this.closed = true;
    this.unwatch();
  }

  private unwatch(): void {
    this.watched?.watcher.close();
    this.watched = undefined;
  }
}
