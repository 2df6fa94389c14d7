import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { wallMs } from '@fnfleet/core';
import { type CertifiedKey, issueCertificate, newAuthority } from './authority/authority.js';
import { parseAltName } from './authority/certificate.js';
import { readMaterial } from './check-material.js';
import { tlsFiles } from './tls-settings.js';

const NOW = Date.UTC(2026, 10, 24);
const DAY_MS = 86_400_000;

const fleet = newAuthority({ commonName: 'fleet CA', days: 3650, nowMs: wallMs(NOW) });
const other = newAuthority({ commonName: 'other CA', days: 3650, nowMs: wallMs(NOW) });
const retired = newAuthority({ commonName: 'retired CA', days: 10, nowMs: wallMs(NOW - 20 * DAY_MS) });
const good = issue(fleet);

function issue(authority: CertifiedKey, { days = 90, nowMs = NOW } = {}): CertifiedKey {
  return issueCertificate(authority, {
    commonName: 'lb',
    altNames: [parseAltName('lb.fleet')],
    days,
    nowMs: wallMs(nowMs),
  });
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'fnfleet-material-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const at = (name: string) => path.join(folder, name);
function writeSparse(file: string): void {
  writeFileSync(file, '');
  truncateSync(file, 2 ** 40);
}

const FILES = () => ({ cert: at('cert'), key: at('key'), ca: at('ca') });

function read(texts: { cert?: string; key?: string; ca?: string }, nowMs = NOW) {
  for (const [name, text] of Object.entries({ cert: good.cert, key: good.key, ca: fleet.cert, ...texts })) {
    writeFileSync(at(name), text);
  }
  return readMaterial(FILES(), wallMs(nowMs));
}

it('accepts matching files, and knows their names and expiry', () => {
  const material = read({});
  expect(material).toMatchObject({ ...good, ca: fleet.cert, names: ['lb.fleet', 'lb'], endsFirst: 'cert' });
  expect(material.expiresAt).toBe(NOW + 90 * DAY_MS);
});

it('accepts a second CA during a rotation', () => {
  expect(read({ ca: other.cert + fleet.cert + retired.cert }).expiresAt).toBe(NOW + 90 * DAY_MS);
});

const encrypted = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
  .toString();

it.each`
  what                              | texts                                                    | says
  ${'a key of another certificate'} | ${{ key: issue(fleet).key }}                             | ${/FN_TLS_KEY: .*\/key is not the key of the certificate in FN_TLS_CERT/}
  ${'a certificate of another CA'}  | ${issue(other)}                                          | ${/FN_TLS_CERT: .*\/cert CN=lb is not signed by a CA of FN_TLS_CA \(.*CN=fleet CA\), but by CN=other CA/}
  ${'an expired certificate'}       | ${issue(fleet, { nowMs: NOW - 91 * DAY_MS })}            | ${/FN_TLS_CERT: .* expired on 2026-11-23.*`fnfleet certs renew`/}
  ${'a certificate of the future'}  | ${issue(fleet, { nowMs: NOW + DAY_MS })}                 | ${/FN_TLS_CERT: .* is not valid before 2026-11-24T23:55.*is the clock of this machine correct/}
  ${'an expired CA'}                | ${{ ...issue(retired, { days: 90 }), ca: retired.cert }} | ${/FN_TLS_CA: .*CN=retired CA expired on/}
  ${'a CA that is none'}            | ${{ ca: good.cert }}                                     | ${/FN_TLS_CA: .*CN=lb is not a CA/}
  ${'a key where a certificate is'} | ${{ cert: good.key }}                                    | ${/FN_TLS_CERT: .*has no certificate.*holds a private key: are the files mixed up/}
  ${'a certificate where a key is'} | ${{ key: good.cert }}                                    | ${/FN_TLS_KEY: .*has no private key in PEM/}
  ${'an encrypted key'}             | ${{ key: encrypted }}                                    | ${/FN_TLS_KEY: .*is encrypted; use a key without a passphrase/}
  ${'a damaged certificate'}        | ${{ cert: good.cert.replace(/\nM.{20}/, '\nAAAA') }}     | ${/FN_TLS_CERT: .*certificate 1 of 1 is damaged/}
  ${'an empty file'}                | ${{ ca: '' }}                                            | ${/FN_TLS_CA: .*has no certificate/}
  ${'a CA used as a certificate'}   | ${{ cert: fleet.cert, key: fleet.key, ca: other.cert }}  | ${/FN_TLS_CERT: .*CN=fleet CA is not signed by a CA of FN_TLS_CA/}
`('refuses $what', ({ texts, says }) => {
  expect(() => read(texts)).toThrow(says);
});

it.each`
  what                    | put                                                               | says
  ${'a pipe'}             | ${(file: string) => execFileSync('mkfifo', [file])}               | ${/cannot be read: it is not a file, but a folder, a pipe or a device/}
  ${'a folder'}           | ${(file: string) => mkdirSync(file)}                              | ${/cannot be read: it is not a file|EISDIR/}
  ${'a device'}           | ${(file: string) => symlinkSync('/dev/zero', file)}               | ${/cannot be read: it is not a file/}
  ${'a terabyte'}         | ${(file: string) => writeSparse(file)}                            | ${/cannot be read: it has more than 1048576 bytes/}
  ${'a link in a circle'} | ${(file: string) => symlinkSync(file, file)}                      | ${/cannot be read: ELOOP/}
  ${'half of it'}         | ${(file: string) => writeFileSync(file, good.cert.slice(0, 300))} | ${/has no certificate|has no private key/}
  ${'garbage'}            | ${(file: string) => writeFileSync(file, randomBytes(100_000))}    | ${/has no certificate|has no private key/}
`('refuses $what in place of each file', ({ put, says }) => {
  for (const which of ['cert', 'key', 'ca']) {
    read({});
    rmSync(at(which));
    put(at(which));
    expect(() => readMaterial(FILES(), wallMs(NOW))).toThrow(
      new RegExp(`FN_TLS_${which.toUpperCase()}: .*${says.source}`),
    );
    rmSync(at(which), { recursive: true });
  }
});

it('lists every problem', () => {
  writeFileSync(at('cert'), 'not a certificate');
  expect(() => readMaterial(FILES(), wallMs(NOW))).toThrow(
    /3 settings are wrong:\n {2}FN_TLS_KEY: .*cannot be read: ENOENT.*\n {2}FN_TLS_CA: .*cannot be read.*\n {2}FN_TLS_CERT: .*has no cert/,
  );
});

it('requires all three files or none', () => {
  expect(tlsFiles({})).toBeUndefined();
  expect(tlsFiles({ tlsCert: 'a', tlsKey: 'b', tlsCa: 'c' })).toEqual({ cert: 'a', key: 'b', ca: 'c' });
  expect(() => tlsFiles({ tlsCert: 'a' })).toThrow(/^FN_TLS_KEY, FN_TLS_CA: missing\. .*all three, or none/);
});
