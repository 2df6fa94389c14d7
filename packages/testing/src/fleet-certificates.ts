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
  /** Of the alternative names `127.0.0.1` and `localhost` unless given. */
  readonly altNames?: readonly string[];
  /** Whether the fleet's CA has signed it; another has if not. */
  readonly ours?: boolean;
  readonly expired?: boolean;
}

/** Certificates of a fleet, and of those who do not belong to it. Nothing is written anywhere. */
export class FleetCertificates {
  private readonly ca = newAuthority({ commonName: 'fleet CA', days: 30, nowMs: systemClock.wallNow() });
  private readonly foreign = newAuthority({ commonName: 'foreign CA', days: 30, nowMs: systemClock.wallNow() });

  /** Trusts the fleet, whoever has signed its own certificate. */
  identity(name: string, parts: CertificateParts = {}): TlsIdentity {
    const { altNames = ['127.0.0.1', 'localhost'], ours = true, expired = false } = parts;
    return fixedIdentity({ ...this.issue(ours ? this.ca : this.foreign, name, altNames, expired), ca: this.ca.cert });
  }

  /** Asks nobody for a certificate. */
  identityWithoutCa(name: string): TlsIdentity {
    return fixedIdentity({ ...this.issue(this.ca, name, ['127.0.0.1', 'localhost'], false), ca: undefined });
  }

  /** Of the CA, in PEM. */
  get authority(): string {
    return this.ca.cert;
  }

  private issue(authority: CertifiedKey, name: string, names: readonly string[], expired: boolean): CertifiedKey {
    const altNames = [name, ...names].map(parseAltName);
    const nowMs = later(systemClock.wallNow(), expired ? -2 * DAY_MS : 0);
    return issueCertificate(authority, { commonName: name, altNames, days: 1, nowMs });
  }
}
