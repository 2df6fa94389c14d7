import type { Logger } from '@fnfleet/core';
import { count, epochMs, formatDate, later, type WallMs } from '@fnfleet/core';
import type { CheckedMaterial, TlsFiles } from './tls-material.js';

const DAY_MS = 86_400_000;
/** Days before expiry at which a warning is logged. */
const WARN_DAYS = [14, 3, 1, 0] as const;

/** Reports in the log and as a metric when the certificate of a process expires. */
export class ExpiryNotice {
  private logged: { readonly of: CheckedMaterial; readonly days: number } | undefined;
  private measured = 0;

  constructor(
    private readonly files: TlsFiles,
    private readonly logger: Logger,
  ) {}

  /** Logs each of these warnings once. */
  look(material: CheckedMaterial, now: WallMs): void {
    this.measure(Math.round(epochMs(material.expiresAt) / 1000));
    const days = WARN_DAYS.findLast((day) => material.expiresAt <= later(now, day * DAY_MS));
    if (days === undefined || (this.logged?.of === material && this.logged.days === days)) return;
    this.logged = { of: material, days };
    const { endsFirst } = material;
    const fields = {
      file: this.files[endsFirst],
      expiresAt: formatDate(material.expiresAt),
      remedy: endsFirst === 'ca' ? 'fnfleet certs rotate-ca' : 'fnfleet certs renew',
    };
    const what = endsFirst === 'ca' ? 'the CA of the fleet' : 'the TLS certificate';
    if (days === 0) this.logger.error(`${what} has expired; peers refuse it`, fields);
    else this.logger.warn(`${what} expires in less than ${days === 1 ? 'a day' : `${days} days`}`, fields);
  }

  close(): void {
    this.measure(0);
  }

  private measure(expirySeconds: number): void {
    if (expirySeconds !== this.measured) count('tls_certificate_expiry_seconds', expirySeconds - this.measured);
    this.measured = expirySeconds;
  }
}
