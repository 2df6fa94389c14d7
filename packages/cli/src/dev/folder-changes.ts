import path from 'node:path';
import { type Clock, later, type MonoMs, systemClock, type Timer } from '@fnfleet/core';
import type { FSWatcher } from 'chokidar';
import { type IgnoreRules, ignoreRules } from '../build/ignore-rules.js';

/** Quiet period that ends a change: editors write in several steps, and tools write several files. Milliseconds. */
const QUIET_MS = 50;
/** Maximum duration of a change, for a folder that something writes to all the time; milliseconds. */
const AT_LEAST_MS = 2_000;
/** Never watched: these are large, and programs rather than people write there, some whenever the function runs. */
const NEVER = /(?:^|\/)(?:node_modules|\.git|__pycache__)(?:\/|$)/;

/** The current ignore rules of the folder. If they are invalid, the build reports that. */
function rulesOr(before: IgnoreRules, root: string): IgnoreRules {
  try {
    return ignoreRules(root);
  } catch {
    return before;
  }
}

/**
 * Reports when a function's folder has changed. A change is complete when nothing more happens for QUIET_MS, or when it
 * has lasted for AT_LEAST_MS. Only files count that a build would send and that NEVER does not exclude.
 */
export class FolderChanges {
  private timer: Timer | undefined;
  /** Time of the first change that has not been reported. */
  private since: MonoMs | undefined;
  private ended = false;

  private constructor(
    private readonly watcher: FSWatcher,
    private readonly onChange: () => void,
    private readonly clock: Clock,
  ) {}

  /**
   * Resolves when every change from now on will be noticed.
   * @throws Error when the folder cannot be watched
   */
  static async watch(folder: string, onChange: () => void, clock = systemClock): Promise<FolderChanges> {
    const { watch } = await import('chokidar');
    const root = path.resolve(folder);
    let rules = ignoreRules(root);
    const nameOf = (file: string) => path.relative(root, file).split(path.sep).join('/');
    const ignored = (file: string) => {
      const name = nameOf(file);
      return name !== '' && (NEVER.test(name) || (!rules.bringBack && rules.ignores(name)));
    };
    const watcher = watch(root, { ignoreInitial: true, followSymlinks: false, ignored });
    const changes = new FolderChanges(watcher, onChange, clock);
    watcher.on('all', (_event, file) => {
      if (nameOf(file) === '.dockerignore') rules = rulesOr(rules, root);
      if (!ignored(file)) changes.seen();
    });
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
    if (this.ended) return;
    const now = this.clock.now();
    this.since ??= now;
    const ms = Math.min(QUIET_MS, later(this.since, AT_LEAST_MS) - now);
    const tell = () => {
      this.since = undefined;
      this.onChange();
    };
    this.timer = this.clock.after(Math.max(0, ms), tell, { keepAlive: true });
  }
}
