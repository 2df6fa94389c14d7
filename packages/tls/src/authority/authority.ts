import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { epochMs, type WallMs } from '@fnfleet/core';
import type { AltName } from './alt-name.js';
import { type Issuer, signCertificate } from './certificate.js';

/** PEM texts of a certificate and its private key. */
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
  /** PEM; a new key unless given. */
  readonly key?: string;
}

const DAY_MS = 86_400_000;
/** Clocks of a fleet differ. */
const SKEW_MS = 5 * 60_000;

/** A new CA: a key of its own, and a certificate that it has signed itself. */
export function newAuthority({ commonName, days, nowMs }: AuthorityOptions): CertifiedKey {
  const key = newKey();
  const issuer = issuerOf(commonName, key);
  const { publicKey } = issuer;
  return { cert: signCertificate({ commonName, publicKey, ...validity(days, nowMs), authority: true }, issuer), key };
}

/** A certificate that ends no later than that of the authority. */
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
    throw new Error('the key of the CA is of another kind than `fnfleet certs init` makes (ECDSA on P-256)');
  }
  return { commonName, privateKey, publicKey: createPublicKey(privateKey) };
}

function commonNameOf({ subject }: X509Certificate): string {
  const [, commonName] = /^CN=([^\n]+)$/.exec(subject ?? '') ?? [];
  if (commonName === undefined) throw new Error('the CA has other names than `fnfleet certs init` gives');
  return commonName;
}

function validity(days: number, nowMs: WallMs) {
  const now = epochMs(nowMs);
  return { validFrom: new Date(now - SKEW_MS), validTo: new Date(now + days * DAY_MS) };
}
