import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readSmallFileSync, SettingsError, type WallMs, wallMs } from '@fnfleet/core';
import { namesOf } from './peer-checks.js';
import { type CheckedMaterial, newSecureContext, type TlsFiles } from './tls-material.js';

const VARIABLES = { cert: 'FN_TLS_CERT', key: 'FN_TLS_KEY', ca: 'FN_TLS_CA' } as const;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
/** Extended key usages that a certificate needs: every process of a fleet is both server and client. */
const USES = { '1.3.6.1.5.5.7.3.1': 'servers', '1.3.6.1.5.5.7.3.2': 'clients' } as const;

/** A problem with the chain of certificates in a file. */
class Problem extends Error {}

/**
 * Reads and checks the TLS files of a process: they must be readable, match each other, and be valid now.
 * @throws SettingsError that names the variable, the file, the problem and the remedy
 */
export function readMaterial(files: TlsFiles, now: WallMs): CheckedMaterial {
  const problems: string[] = [];
  const attempt = <T>(act: () => T): T | undefined => {
    try {
      return act();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      problems.push(error.message);
      return undefined;
    }
  };
  const texts = { cert: attempt(() => read(files, 'cert')), key: attempt(() => read(files, 'key')) };
  const caText = attempt(() => read(files, 'ca'));
  const chain = texts.cert === undefined ? undefined : attempt(() => certificates(files, 'cert', texts.cert ?? ''));
  const key = texts.key === undefined ? undefined : attempt(() => privateKey(files, texts.key ?? ''));
  const authorities = caText === undefined ? undefined : attempt(() => trusted(files, caText));
  if (chain && key) attempt(() => checkKey(files, chain[0], key));
  const issuer = chain && authorities ? attempt(() => checkChain(files, chain, authorities)) : undefined;
  if (chain) attempt(() => checkDates(files, 'cert', chain[0], now));
  if (issuer) attempt(() => checkDates(files, 'ca', issuer, now));
  if (problems.length > 0 || !chain || !issuer || !texts.cert || !texts.key || !caText) {
    throw new SettingsError(problems);
  }
  const material = { cert: texts.cert, key: texts.key, ca: caText };
  checkUsable(files, material);
  const [ofCert, ofCa] = [chain[0].validToDate.getTime(), issuer.validToDate.getTime()];
  return {
    ...material,
    names: namesOf(chain[0]),
    expiresAt: wallMs(Math.min(ofCert, ofCa)),
    endsFirst: ofCa < ofCert ? 'ca' : 'cert',
  };
}

/**
 * Reads the CAs of a process that has no certificate of its own.
 * @throws SettingsError when the file cannot be read, or holds something else
 */
export function readAuthorities(ca: string): string {
  const files = { cert: '', key: '', ca };
  try {
    const text = read(files, 'ca');
    trusted(files, text);
    return text;
  } catch (error) {
    throw error instanceof Problem ? new SettingsError([error.message]) : error;
  }
}

/** Whether the files still have this content. */
export function isUnchanged(files: TlsFiles, { cert, key, ca }: CheckedMaterial): boolean {
  try {
    return read(files, 'cert') === cert && read(files, 'key') === key && read(files, 'ca') === ca;
  } catch {
    return false; // a full read reports the reason
  }
}

type Chain = readonly [X509Certificate, ...X509Certificate[]];

function read(files: TlsFiles, which: keyof TlsFiles): string {
  try {
    return readSmallFileSync(files[which]);
  } catch (error) {
    throw problem(files, which, `cannot be read: ${(error as Error).message}`);
  }
}

function certificates(files: TlsFiles, which: 'cert' | 'ca', text: string): Chain {
  const blocks = text.match(CERTIFICATE) ?? [];
  const found = blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch (error) {
      throw problem(
        files,
        which,
        `certificate ${index + 1} of ${blocks.length} is damaged: ${(error as Error).message}`,
      );
    }
  });
  const [first, ...others] = found;
  if (first !== undefined) return [first, ...others];
  const hint = text.includes('PRIVATE KEY-----')
    ? 'It holds a private key: are the files mixed up?'
    : 'It should be PEM.';
  throw problem(files, which, `has no certificate (-----BEGIN CERTIFICATE-----).  ${hint}`);
}

function privateKey(files: TlsFiles, text: string): KeyObject {
  if (/ENCRYPTED/.test(text)) {
    throw problem(
      files,
      'key',
      'is encrypted; use a key without a passphrase, in a file that only the process can read',
    );
  }
  try {
    return createPrivateKey(text);
  } catch (error) {
    throw problem(files, 'key', `has no private key in PEM (-----BEGIN PRIVATE KEY-----): ${(error as Error).message}`);
  }
}

function trusted(files: TlsFiles, text: string): Chain {
  const found = certificates(files, 'ca', text);
  const other = found.find((certificate) => !certificate.ca);
  if (other === undefined) return found;
  throw problem(
    files,
    'ca',
    `${shown(other)} is not a CA; the file must hold the certificate that signs those of the fleet`,
  );
}

function checkKey(files: TlsFiles, certificate: X509Certificate, key: KeyObject): void {
  if (certificate.checkPrivateKey(key)) return;
  throw problem(
    files,
    'key',
    `is not the key of the certificate in FN_TLS_CERT (${files.cert}); both come from one \`fnfleet certs issue\``,
  );
}

/** @returns the CA at the end of the chain */
function checkChain(files: TlsFiles, chain: Chain, authorities: Chain): X509Certificate {
  const [leaf, ...between] = chain;
  const uses = leaf.keyUsage as readonly string[] | undefined;
  const unfit = Object.entries(USES).find(([oid]) => uses !== undefined && !uses.includes(oid));
  if (unfit)
    throw problem(files, 'cert', `${shown(leaf)} is not valid for ${unfit[1]}; a node is both a server and a client`);
  const left = [...between];
  for (let current: X509Certificate = leaf; ; ) {
    const signs = (candidate: X509Certificate) => current.checkIssued(candidate) && current.verify(candidate.publicKey);
    const authority = authorities.find(signs);
    if (authority) return authority;
    const at = left.findIndex(signs);
    const [next] = at < 0 ? [] : left.splice(at, 1);
    if (next === undefined) {
      const known = authorities.map(shown).join('; ');
      throw problem(
        files,
        'cert',
        `${shown(leaf)} is not signed by a CA of FN_TLS_CA (${files.ca}: ${known}), but by ${line(current.issuer)}`,
      );
    }
    current = next;
  }
}

function checkDates(files: TlsFiles, which: 'cert' | 'ca', certificate: X509Certificate, now: WallMs): void {
  const { validFromDate: from, validToDate: to } = certificate;
  const remedy = which === 'cert' ? 'renew it with `fnfleet certs renew`' : 'replace it with `fnfleet certs rotate-ca`';
  if (wallMs(to.getTime()) <= now)
    throw problem(files, which, `${shown(certificate)} expired on ${to.toISOString()}; ${remedy}`);
  if (wallMs(from.getTime()) > now) {
    throw problem(
      files,
      which,
      `${shown(certificate)} is not valid before ${from.toISOString()}; is the clock of this machine correct?`,
    );
  }
}

function checkUsable(files: TlsFiles, material: { cert: string; key: string; ca: string }): void {
  try {
    newSecureContext(material);
  } catch (error) {
    throw new SettingsError([problem(files, 'cert', `is rejected by OpenSSL: ${(error as Error).message}`).message]);
  }
}

function problem(files: TlsFiles, which: keyof TlsFiles, what: string): Problem {
  return new Problem(`${VARIABLES[which]}: ${files[which]} ${what}`);
}

function shown(certificate: X509Certificate): string {
  return line(certificate.subject ?? '');
}

function line(name: string): string {
  return name.split('\n').join(', ') || 'a certificate without a subject';
}
