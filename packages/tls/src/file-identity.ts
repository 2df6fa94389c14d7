import { basename, dirname } from 'node:path';
import type { Logger } from '@fnfleet/core';
import { type Clock, DirectoryWatch, formatDate, systemClock, type Timer } from '@fnfleet/core';
import { isUnchanged, readMaterial } from './check-material.js';
import { ExpiryNotice } from './expiry-notice.js';
import type { TlsIdentity } from './tls-identity.js';
import type { CheckedMaterial, TlsFiles } from './tls-material.js';

export interface FileIdentityOptions {
  readonly files: TlsFiles;
  readonly logger: Logger;
  readonly clock?: Clock;
}

/** Interval at which files are checked even without a notification from the system. Milliseconds. */
const REREAD_MS = 10_000;
/** Delay after a change, because the files are replaced one after the other. Milliseconds. */
const SETTLE_MS = 250;

/**
 * A TLS identity that is loaded from files.
 *
 * I1  The files must be valid at the start; otherwise the constructor throws a SettingsError with the reason.
 * I2  Replaced files are loaded once they are valid together. Until then the old ones stay in use, and the log reports
 *     once what is wrong with the new ones.
 * I3  The log warns 14 days, 3 days and one day before expiry, and at expiry.
 */
export class FileIdentity implements TlsIdentity {
  private current: CheckedMaterial;
  private readonly listeners = new Set<() => void>();
  private readonly watches: readonly DirectoryWatch[];
  private readonly clock: Clock;
  private readonly expiry: ExpiryNotice;
  private timer: Timer | undefined;
  private doubt: string | undefined;
  private reported: string | undefined;
  private closed = false;

  /** @throws SettingsError */
  constructor(private readonly options: FileIdentityOptions) {
    const { files, logger, clock = systemClock } = options;
    this.clock = clock;
    this.current = readMaterial(files, clock.wallNow());
    this.expiry = new ExpiryNotice(files, logger);
    this.expiry.look(this.current, clock.wallNow());
    this.watches = directoriesOf(files).map(
      ([directory, names]) =>
        new DirectoryWatch(directory, {
          names,
          onEvent: () => this.lookIn(SETTLE_MS),
          onFailure: (error) => logger.warn('cannot watch TLS files, polling them every 10 s', { directory, error }),
        }),
    );
    void this.renewWatches();
    this.lookIn(REREAD_MS);
  }

  get material(): CheckedMaterial {
    return this.current;
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Stops watching. The current material stays usable. Idempotent. */
  close(): void {
    this.closed = true;
    this.timer?.cancel();
    for (const watch of this.watches) watch.close();
    this.expiry.close();
  }

  private lookIn(delayMs: number): void {
    this.timer?.cancel();
    this.timer = this.clock.after(delayMs, () => this.look());
  }

  private look(): void {
    if (this.closed) return;
    try {
      const { files } = this.options;
      if (!isUnchanged(files, this.current)) this.adopt(readMaterial(files, this.clock.wallNow()));
      this.doubt = undefined;
      this.reported = undefined;
    } catch (error) {
      this.refuse((error as Error).message);
    }
    this.expiry.look(this.current, this.clock.wallNow());
    void this.renewWatches();
    // I2: the files may be inconsistent because only some of them have been replaced so far.
    this.lookIn(this.doubt === this.reported ? REREAD_MS : SETTLE_MS * 4);
  }

  private adopt(next: CheckedMaterial): void {
    this.current = next;
    this.options.logger.info('loaded new TLS files', {
      names: next.names,
      expiresAt: formatDate(next.expiresAt),
    });
    for (const listener of this.listeners) listener();
  }

  /** I2 */
  private refuse(problem: string): void {
    if (problem !== this.doubt) this.doubt = problem;
    else if (problem !== this.reported) {
      this.reported = problem;
      this.options.logger.error('new TLS files are invalid, keeping the previous ones', { problem });
    }
  }

  private async renewWatches(): Promise<void> {
    // A directory that does not exist now is tried again.
    await Promise.all(this.watches.map((watch) => watch.renew().catch(() => undefined)));
  }
}

function directoriesOf(files: TlsFiles): [string, string[]][] {
  const byDirectory = Map.groupBy(Object.values(files), (path: string) => dirname(path));
  return [...byDirectory].map(([directory, paths]) => [directory, paths.map((path) => basename(path))]);
}
