import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import { epochMs, type WallMs } from '@fnfleet/core';
import { type CertifiedKey, issueCertificate, namesOf, newAuthority, parseAltName } from '@fnfleet/tls';
import { CA, type CertFolder, NEXT_CA } from './cert-folder.js';

const DAY_MS = 86_400_000;
const CA_DAYS = 3650;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g;
/** Valid names: a name is used for two files and as the subject, which has at most 64 characters. */
const NAME = /^[A-Za-z\d][\w.-]{0,63}$/;

export interface IssueSpec {
  readonly name: string;
  /** Additional host names, IP addresses and URIs. */
  readonly sans: readonly string[];
  /** Role for authorization (FN_TLS_ALLOWED_NAMES), added as the name `urn:fnfleet:role:<role>`. */
  readonly role?: string;
  readonly days: number;
}

/** The description of a certificate. */
export interface CertificateInfo {
  readonly name: string;
  readonly names: readonly string[];
  readonly issuer: string;
  readonly expiresAt: string;
  readonly daysLeft: number;
  /** Whether it was signed by the CA that signs now. */
  readonly current: boolean;
}

/** Issues and renews the certificates of a fleet, and moves them to another CA. */
export class FleetCerts {
  constructor(
    private readonly folder: CertFolder,
    private readonly now: WallMs,
  ) {}

  get hasAuthority(): boolean {
    return this.folder.readCertificate(CA) !== undefined;
  }

  /** @throws Error when a CA exists, unless forced: all certificates that it has signed become invalid then */
  init({ force = false }: { force?: boolean } = {}): void {
    if (this.hasAuthority && !force) {
      throw new Error(
        `there is a CA in ${this.folder.path}; --force replaces it, and with it every certificate of the fleet`,
      );
    }
    this.folder.remove(NEXT_CA);
    this.store(CA, this.newAuthority());
  }

  /** @throws Error when a certificate of that name exists, unless forced */
  issue({ name, sans, role, days }: IssueSpec, { force = false }: { force?: boolean } = {}): void {
    if (!NAME.test(name) || name === CA || name === NEXT_CA) {
      throw new Error(
        `${JSON.stringify(name)} is no name for a certificate: letters, digits and _ . - only, not ca or next-ca`,
      );
    }
    if (this.folder.readCertificate(name) !== undefined && !force) {
      throw new Error(`the certificate ${name} already exists: \`fnfleet certs renew\` renews it, --force replaces it`);
    }
    const names = [name, ...sans, ...(role === undefined ? [] : [`urn:fnfleet:role:${role}`])];
    this.store(name, this.sign(this.authority(), name, names, days));
  }

  /** @returns the names of renewed certificates: those with less than a third of their lifetime left, or all */
  renew({ all = false, newKeys = false }: { all?: boolean; newKeys?: boolean } = {}): string[] {
    this.folder.assertThere();
    const authority = this.authority();
    const due = this.folder.names().filter((name) => all || isDue(this.certificate(name), this.now));
    for (const name of due) this.reissue(name, authority, newKeys);
    return due;
  }

  list(): CertificateInfo[] {
    this.folder.assertThere();
    const signing = this.hasAuthority ? new X509Certificate(this.authority().cert) : undefined;
    const infoOf = (name: string, certificate: X509Certificate): CertificateInfo => ({
      name,
      names: namesOf(certificate),
      issuer: certificate.issuer.replace(/^CN=/, ''),
      expiresAt: certificate.validToDate.toISOString(),
      daysLeft: Math.ceil((certificate.validToDate.getTime() - epochMs(this.now)) / DAY_MS),
      current: signing !== undefined && isSignedBy(certificate, signing),
    });
    return [
      ...this.trusted().map((certificate) => infoOf(CA, certificate)),
      ...this.folder.names().map((name) => infoOf(name, this.certificate(name))),
    ];
  }

  /** First step of a CA rotation: all nodes trust both CAs. The new one does not sign yet. */
  trustNext(): void {
    this.folder.assertThere();
    this.authority();
    if (this.folder.readCertificate(NEXT_CA) !== undefined) {
      throw new Error(
        'this step has been done: when every node has the new ca.crt, go on with `fnfleet certs rotate-ca reissue`',
      );
    }
    const next = this.newAuthority();
    this.store(NEXT_CA, next);
    this.folder.write(CA, 'crt', (this.folder.readCertificate(CA) ?? '') + next.cert);
  }

  /** Second step: all certificates are reissued by the new CA, which signs from now on. Both stay trusted. */
  reissueAll(): string[] {
    this.folder.assertThere();
    const next = this.pair(NEXT_CA);
    if (next === undefined) throw new Error('run the first step before: `fnfleet certs rotate-ca trust`');
    const names = this.folder.names();
    for (const name of names) this.reissue(name, next, false);
    this.folder.write(CA, 'key', next.key);
    this.folder.remove(NEXT_CA);
    return names;
  }

  /** Last step: the previous CA is no longer trusted. */
  dropOld(): void {
    this.folder.assertThere();
    if (this.folder.readCertificate(NEXT_CA) !== undefined) {
      throw new Error(
        'some certificates are still signed by the previous CA: run `fnfleet certs rotate-ca reissue` first',
      );
    }
    const signing = this.authority().cert;
    const old = this.list().filter(({ name, current }) => name !== CA && !current);
    if (old.length > 0) {
      throw new Error(
        `still of the CA of before: ${old.map(({ name }) => name).join(', ')}; \`fnfleet certs renew --all\` renews them`,
      );
    }
    this.folder.write(CA, 'crt', signing);
  }

  /** The CA that signs: its key, and the trusted certificate that matches it. */
  private authority(): CertifiedKey {
    const found = this.pair(CA);
    if (found) return found;
    const { path } = this.folder;
    throw new Error(
      this.hasAuthority
        ? `${path} lacks the key of the CA (ca.key), so nothing can be signed here`
        : `there is no CA in ${path}: create one with \`fnfleet certs init\`, or name another folder with --dir`,
    );
  }

  /** A CA with its key. The file may contain other certificates, too. */
  private pair(name: typeof CA | typeof NEXT_CA): CertifiedKey | undefined {
    const key = this.folder.readKey(name);
    if (key === undefined) return undefined;
    const privateKey = createPrivateKey(key);
    const fitting = blocksOf(this.folder.readCertificate(name)).find((block) =>
      new X509Certificate(block).checkPrivateKey(privateKey),
    );
    if (fitting === undefined)
      throw new Error(`${this.folder.file(name, 'key')} matches no certificate in ${name}.crt`);
    return { cert: fitting, key };
  }

  private trusted(): X509Certificate[] {
    return blocksOf(this.folder.readCertificate(CA)).map((block) => new X509Certificate(block));
  }

  private certificate(name: string): X509Certificate {
    const file = this.folder.file(name, 'crt');
    try {
      return new X509Certificate(this.folder.readCertificate(name) ?? '');
    } catch (error) {
      throw new Error(`${file} is not a certificate`, { cause: error });
    }
  }

  private reissue(name: string, authority: CertifiedKey, newKey: boolean): void {
    const before = this.certificate(name);
    const key = newKey ? undefined : this.folder.readKey(name);
    this.store(name, this.sign(authority, name, namesOf(before), lifeOf(before) / DAY_MS, key));
  }

  private sign(
    authority: CertifiedKey,
    name: string,
    names: readonly string[],
    days: number,
    key?: string,
  ): CertifiedKey {
    const altNames = [...new Set(names)].map(parseAltName);
    return issueCertificate(authority, { commonName: name, altNames, days, nowMs: this.now, key });
  }

  private newAuthority(): CertifiedKey {
    // The CAs of a fleet need different names.
    const commonName = `fnfleet CA ${randomBytes(4).toString('hex')}`;
    return newAuthority({ commonName, days: CA_DAYS, nowMs: this.now });
  }

  private store(name: string, { cert, key }: CertifiedKey): void {
    this.folder.write(name, 'key', key);
    this.folder.write(name, 'crt', cert);
  }
}

function blocksOf(text: string | undefined): string[] {
  return text?.match(CERTIFICATE) ?? [];
}

function isSignedBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}

function isDue(certificate: X509Certificate, now: WallMs): boolean {
  return certificate.validToDate.getTime() - epochMs(now) < lifeOf(certificate) / 3;
}

/** Lifetime in milliseconds, without the extra time that allows for clock differences. */
function lifeOf({ validFromDate, validToDate }: X509Certificate): number {
  return Math.floor((validToDate.getTime() - validFromDate.getTime()) / DAY_MS) * DAY_MS || DAY_MS;
}
