import path from 'node:path';
import { type Clock, systemClock, type Timer } from '@fnfleet/core';
import type { FSWatcher } from 'chokidar';
import { ignoreRules } from '../build/ignore-rules.js';

/** Editors write in several steps, and tools several files. */
const QUIET_MS = 50;
/** Watching them costs more than a build, and nobody edits there. */
const NEVER = /(?:^|\/)(?:node_modules|\.git)(?:\/|$)/;

/**
 * Tells when a function's folder has changed: a change is one when nothing more has come for QUIET_MS. Counts what a build
 * would send, without what its .dockerignore names and without `node_modules`.
 */
export class FolderChanges {
  private timer: Timer | undefined;
  private ended = false;

  private constructor(
    private readonly watcher: FSWatcher,
    private readonly onChange: () => void,
    private readonly clock: Clock,
  ) {}

  /**
   * Resolves when every change from now on will be seen.
   * @throws Error when the folder cannot be watched
   */
  static async watch(folder: string, onChange: () => void, clock = systemClock): Promise<FolderChanges> {
    const { watch } = await import('chokidar');
    const root = path.resolve(folder);
    const rules = ignoreRules(root);
    const watcher = watch(root, {
      ignoreInitial: true,
      followSymlinks: false,
      ignored: (file) => {
        const name = path.relative(root, file).split(path.sep).join('/');
        return name !== '' && (NEVER.test(name) || (!rules.bringBack && rules.ignores(name)));
      },
    });
    const changes = new FolderChanges(watcher, onChange, clock);
    watcher.on('all', () => changes.seen());
    await new Promise<void>((resolve, reject) => {
      watcher.once('ready', () => resolve());
      watcher.on('error', (cause) =>
        reject(new Error(`cannot watch ${folder}: ${(cause as Error).message}`, { cause })),
      );
    }).catch(async (error) => {
      await changes.close();
      throw error;
    });
    return changes;
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.ended = true;
    this.timer?.cancel();
    await this.watcher.close();
  }

  private seen(): void {
    this.timer?.cancel();
    if (!this.ended) this.timer = this.clock.after(QUIET_MS, this.onChange, { keepAlive: true });
  }
}
