import { later, systemClock } from '@fnfleet/core';
import {
  type CertifiedKey,
  fixedIdentity,
  issueCertificate,
  newAuthority,
  parseAltName,
  type TlsIdentity,
} from '@fnfleet/tls';

const DAY_MS = 86_400_000;

export interface CertificateParts {
  /** Alternative names. Default: `127.0.0.1` and `localhost`. */
  readonly altNames?: readonly string[];
  /** Whether the CA of the fleet signed it, or another CA. */
  readonly ours?: boolean;
  readonly expired?: boolean;
}

/** Certificates of a fleet and of strangers, in memory only. */
export class FleetCertificates {
  private readonly ca = newAuthority({ commonName: 'fleet CA', days: 30, nowMs: systemClock.wallNow() });
  private readonly foreign = newAuthority({ commonName: 'foreign CA', days: 30, nowMs: systemClock.wallNow() });

  /** An identity that trusts the fleet, whichever CA signed its certificate. */
  identity(name: string, parts: CertificateParts = {}): TlsIdentity {
    const { altNames = ['127.0.0.1', 'localhost'], ours = true, expired = false } = parts;
    return fixedIdentity({ ...this.issue(ours ? this.ca : this.foreign, name, altNames, expired), ca: this.ca.cert });
  }

  /** An identity that requests no client certificates. */
  identityWithoutCa(name: string): TlsIdentity {
    return fixedIdentity({ ...this.issue(this.ca, name, ['127.0.0.1', 'localhost'], false), ca: undefined });
  }

  /** The certificate of the CA, PEM. */
  get authority(): string {
    return this.ca.cert;
  }

  private issue(authority: CertifiedKey, name: string, names: readonly string[], expired: boolean): CertifiedKey {
    const altNames = [name, ...names].map(parseAltName);
    const nowMs = later(systemClock.wallNow(), expired ? -2 * DAY_MS : 0);
    return issueCertificate(authority, { commonName: name, altNames, days: 1, nowMs });
  }
}
