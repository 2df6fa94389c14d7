import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { later, systemClock } from '@fnfleet/core';
import {
  type CertifiedKey,
  fixedIdentity,
  issueCertificate,
  newAuthority,
  parseAltName,
  type TlsFiles,
  type TlsIdentity,
} from '@fnfleet/tls';

const DAY_MS = 86_400_000;

/** The kinds of clients in tests. */
export type Visitor = 'member' | 'no certificate' | 'another CA' | 'an expired one' | 'another name';

/** The certificates of a test fleet and of strangers, as files or in memory. */
export class TestCertificates {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'fnfleet-certs-'));
  private readonly ca = newAuthority({ commonName: 'fleet CA', days: 3650, nowMs: systemClock.wallNow() });
  private readonly foreign = newAuthority({ commonName: 'foreign CA', days: 3650, nowMs: systemClock.wallNow() });

  /** The certificate of a node on this machine, as files. */
  files(name: string, sans: readonly string[] = ['127.0.0.1', 'localhost']): TlsFiles {
    const { cert, key } = this.issue(this.ca, name, sans);
    const write = (file: string, text: string) => {
      writeFileSync(path.join(this.folder, file), text, { mode: 0o600 });
      return path.join(this.folder, file);
    };
    return { cert: write(`${name}.crt`, cert), key: write(`${name}.key`, key), ca: write('ca.crt', this.ca.cert) };
  }

  env(name: string): Record<string, string> {
    const { cert, key, ca } = this.files(name);
    return { FN_TLS_CERT: cert, FN_TLS_KEY: key, FN_TLS_CA: ca };
  }

  /** An identity that trusts the fleet, except that of another CA. */
  identity(visitor: Exclude<Visitor, 'no certificate'>, sans: readonly string[] = ['127.0.0.1']): TlsIdentity {
    const authority = visitor === 'another CA' ? this.foreign : this.ca;
    const name = visitor === 'another name' ? 'stranger' : 'member';
    const nowMs = later(systemClock.wallNow(), visitor === 'an expired one' ? -2 * DAY_MS : 0);
    const issued = this.issue(authority, name, visitor === 'another name' ? ['stranger.example'] : sans, nowMs);
    return fixedIdentity({ ...issued, ca: this.ca.cert });
  }

  get authority(): string {
    return this.ca.cert;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }

  private issue(
    authority: CertifiedKey,
    name: string,
    sans: readonly string[],
    nowMs = systemClock.wallNow(),
  ): CertifiedKey {
    const altNames = [name, ...sans].map(parseAltName);
    return issueCertificate(authority, { commonName: name, altNames, days: 1, nowMs });
  }
}

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
