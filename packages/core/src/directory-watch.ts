import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';

export interface DirectoryWatchOptions {
  /** Files of interest. */
  readonly names: readonly string[];
  /** One of them may have changed. Whoever writes in place causes several of these. */
  readonly onEvent: () => void;
  /** The number of watches on a machine is limited. Told once, until watching works again. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * Tells of changes to files of one directory. The directory is watched, not the files: one that is replaced by a rename,
 * as it should be, is another file, and Kubernetes renames the directory it mounts (`..data`). The system does not tell of
 * changes on every file system, so whoever needs to know for sure also looks now and then.
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
    // The last: the directory itself was moved.
    this.names = new Set([...options.names, '..data', basename(directory)]);
  }

  /** Watches one file. */
  static ofFile(path: string, options: Omit<DirectoryWatchOptions, 'names'>): DirectoryWatch {
    return new DirectoryWatch(dirname(path), { ...options, names: [basename(path)] });
  }

  /**
   * Sees to it that the directory of that name is watched, also when it is another one than before.
   * @throws when there is none
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
