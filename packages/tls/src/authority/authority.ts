import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { epochMs, type WallMs } from '@fnfleet/core';
import { type AltName, type Issuer, signCertificate } from './certificate.js';

/** A certificate and its private key, in PEM. */
export interface CertifiedKey {
  readonly cert: string;
  readonly key: string;
}

export interface AuthorityOptions {
  readonly commonName: string;
  readonly days: number;
  readonly nowMs: WallMs;
}

export interface IssueOptions {
  readonly commonName: string;
  readonly altNames: readonly AltName[];
  readonly days: number;
  readonly nowMs: WallMs;
  /** Private key in PEM; a new one by default. */
  readonly key?: string;
}

const DAY_MS = 86_400_000;
/** Backdating of certificates, because the clocks of a fleet differ. Milliseconds. */
const SKEW_MS = 5 * 60_000;

/** Creates a CA: a new key with a self-signed certificate. */
export function newAuthority({ commonName, days, nowMs }: AuthorityOptions): CertifiedKey {
  const key = newKey();
  const issuer = issuerOf(commonName, key);
  const { publicKey } = issuer;
  return { cert: signCertificate({ commonName, publicKey, ...validity(days, nowMs), authority: true }, issuer), key };
}

/** Issues a certificate that does not outlive that of the CA. */
export function issueCertificate(authority: CertifiedKey, options: IssueOptions): CertifiedKey {
  const { commonName, altNames, days, nowMs, key = newKey() } = options;
  const certificate = new X509Certificate(authority.cert);
  const issuer = issuerOf(commonNameOf(certificate), authority.key);
  const { validFrom, validTo } = validity(days, nowMs);
  const latest = certificate.validToDate.getTime();
  const publicKey = createPublicKey(key);
  const spec = { commonName, altNames, publicKey, validFrom, validTo: new Date(Math.min(validTo.getTime(), latest)) };
  return { cert: signCertificate(spec, issuer), key };
}

function newKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function issuerOf(commonName: string, key: string): Issuer {
  const privateKey = createPrivateKey(key);
  if (privateKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new Error('the key of the CA is not one that `fnfleet certs init` creates (ECDSA on P-256)');
  }
  return { commonName, privateKey, publicKey: createPublicKey(privateKey) };
}

function commonNameOf({ subject }: X509Certificate): string {
  const [, commonName] = /^CN=([^\n]+)$/.exec(subject ?? '') ?? [];
  if (commonName === undefined) throw new Error('the name of the CA is not one that `fnfleet certs init` creates');
  return commonName;
}

function validity(days: number, nowMs: WallMs) {
  const now = epochMs(nowMs);
  return { validFrom: new Date(now - SKEW_MS), validTo: new Date(now + days * DAY_MS) };
}
