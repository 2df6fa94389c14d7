import { createPrivateKey, X509Certificate } from 'node:crypto';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { wallMs } from '@fnfleet/core';
import { namesOf } from '../peer-checks.js';
import { type IssueOptions, issueCertificate, newAuthority } from './authority.js';
import { parseAltName } from './certificate.js';

const NOW = Date.UTC(2026, 10, 24);
const DAY_MS = 86_400_000;

function issue(options: Partial<IssueOptions> = {}) {
  const authority = newAuthority({ commonName: 'a CA', days: 3650, nowMs: wallMs(NOW) });
  const issued = issueCertificate(authority, {
    commonName: 'lb',
    altNames: [],
    days: 90,
    nowMs: wallMs(NOW),
    ...options,
  });
  return { authority, issued, ca: new X509Certificate(authority.cert), certificate: new X509Certificate(issued.cert) };
}

it('creates a CA that may only sign', () => {
  const { ca } = issue();
  expect(ca.ca).toBe(true);
  expect(ca.subject).toBe('CN=a CA');
  expect(ca.verify(ca.publicKey)).toBe(true);
  expect(ca.keyUsage).toBeUndefined();
  expect(ca.validToDate.getTime() - NOW).toBe(3650 * DAY_MS);
});

it('creates certificates signed by the CA, for servers and clients', () => {
  const { ca, issued, certificate } = issue();
  expect(certificate.checkIssued(ca) && certificate.verify(ca.publicKey)).toBe(true);
  expect(certificate.ca).toBe(false);
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  expect(certificate.checkPrivateKey(createPrivateKey(issued.key))).toBe(true);
  expect(certificate.validFromDate.getTime()).toBeLessThan(NOW);
});

it('uses a given key', () => {
  const first = issue().issued;
  expect(issue({ key: first.key }).issued.key).toBe(first.key);
});

it('issues no certificate that outlives the CA', () => {
  const { ca, certificate } = issue({ days: 36_500 });
  expect(certificate.validToDate).toEqual(ca.validToDate);
  const late = issue({ nowMs: wallMs(Date.UTC(2060, 0, 1)), days: 1 });
  expect(late.certificate.validToDate).toEqual(late.ca.validToDate);
});

it('encodes dates after 2049 as OpenSSL expects', () => {
  const { cert } = newAuthority({ commonName: 'far', days: 365 * 100, nowMs: wallMs(NOW) });
  expect(new X509Certificate(cert).validToDate.getUTCFullYear()).toBe(2126);
});

it('supports every kind of name', () => {
  const names = [
    'lb',
    'lb_1.fleet.svc',
    '*.fleet.svc',
    '10.0.0.1',
    '::1',
    'fd00:0:0:1::a:b',
    '::ffff:1.2.3.4',
    'urn:fnfleet:role:lb',
  ];
  const { certificate } = issue({ altNames: names.map(parseAltName) });
  for (const host of ['lb', 'lb_1.fleet.svc', 'any.fleet.svc']) {
    expect(checkServerIdentity(host, certificate.toLegacyObject() as PeerCertificate)).toBeUndefined();
  }
  for (const ip of ['10.0.0.1', '::1', 'fd00:0:0:1::a:b', '::ffff:102:304'])
    expect(certificate.checkIP(ip)).toBeDefined();
  expect(certificate.checkIP('10.0.0.2')).toBeUndefined();
  expect(namesOf(certificate)).toEqual(expect.arrayContaining(['lb', '10.0.0.1', 'urn:fnfleet:role:lb']));
});

it.each(['', 'a b', 'a..b', '1.2.3', 'fe80::1%eth0', 'a/b', `${'a'.repeat(64)}`])('refuses %j as a name', (name) => {
  expect(() => parseAltName(name)).toThrow('is neither a host name, nor an IP address, nor a URI');
});

it('refuses a CA that it has not created', () => {
  const { issued } = issue();
  expect(() =>
    issueCertificate(
      { ...issued, cert: issued.cert.slice(0, 100) },
      { commonName: 'x', altNames: [], days: 1, nowMs: wallMs(NOW) },
    ),
  ).toThrow();
});
