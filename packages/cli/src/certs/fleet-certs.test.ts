import { X509Certificate } from 'node:crypto';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { wallMs } from '@fnfleet/core';
import { readTlsMaterial } from '@fnfleet/tls';
import { formatCertificates } from '../commands/certs.js';
import { CertFolder } from './cert-folder.js';
import { FleetCerts } from './fleet-certs.js';

const NOW = Date.UTC(2026, 10, 24);
const DAY_MS = 86_400_000;
const DAYS = 90;

let dir: string;
beforeEach(() => {
  dir = path.join(mkdtempSync(path.join(tmpdir(), 'fnfleet-fleet-certs-')), 'certs');
});
afterEach(() => rmSync(path.dirname(dir), { recursive: true }));

const on = (day: number) => new FleetCerts(new CertFolder(dir), wallMs(NOW + day * DAY_MS));
const text = (file: string) => readFileSync(path.join(dir, file), 'utf8');

/** As a role does when it starts. */
function usable(name: string, day: number): boolean {
  const files = { cert: `${dir}/${name}.crt`, key: `${dir}/${name}.key`, ca: `${dir}/ca.crt` };
  try {
    readTlsMaterial(files, wallMs(NOW + day * DAY_MS));
    return true;
  } catch {
    return false;
  }
}

function aFleet(names: readonly string[] = ['lb', 'runner']): void {
  const certs = on(0);
  certs.init();
  for (const name of names) certs.issue({ name, sans: ['10.0.0.1'], role: 'lb', days: DAYS });
}

it('creates files that a role accepts, readable only for their owner', () => {
  aFleet();
  expect(usable('lb', 0) && usable('runner', 0)).toBe(true);
  expect(readdirSync(dir).sort()).toEqual(['ca.crt', 'ca.key', 'lb.crt', 'lb.key', 'runner.crt', 'runner.key']);
  for (const file of readdirSync(dir)) expect(statSync(path.join(dir, file)).mode & 0o777).toBe(0o600);
  expect(statSync(dir).mode & 0o777).toBe(0o700);
});

it.each<[string, (certs: FleetCerts) => unknown]>([
  ['list', (certs) => certs.list()],
  ['renew', (certs) => certs.renew()],
  ['rotate-ca trust', (certs) => certs.trustNext()],
  ['rotate-ca reissue', (certs) => certs.reissueAll()],
  ['rotate-ca finish', (certs) => certs.dropOld()],
])('%s: reports a missing folder, or a file in its place', (_, ask) => {
  expect(() => ask(on(0))).toThrow(
    `there is no folder ${dir}: name another with --dir, or create one with \`fnfleet certs fleet\``,
  );
  writeFileSync(dir, '');
  expect(() => ask(on(0))).toThrow(/not a (folder|directory)/);
});

it('lists certificates with their names and expiry', () => {
  aFleet(['lb']);
  const [ca, lb] = on(0).list();
  expect(ca).toMatchObject({ name: 'ca', daysLeft: 3650, current: true });
  expect(lb).toMatchObject({
    name: 'lb',
    names: ['lb', '10.0.0.1', 'urn:fnfleet:role:lb'],
    daysLeft: 90,
    current: true,
  });
  expect(formatCertificates(on(91).list())[2]).toMatch(
    /^lb {4}2027-02-22 {2}expired {2}fnfleet CA \w+ {2}lb 10.0.0.1 urn:/,
  );
});

it('renews certificates with less than a third of their lifetime left, and keeps names and keys', () => {
  aFleet();
  const [before, key] = [text('lb.crt'), text('lb.key')];
  expect(on(59).renew()).toEqual([]);
  expect(text('lb.crt')).toBe(before);
  expect(on(61).renew()).toEqual(['lb', 'runner']);
  expect(text('lb.key')).toBe(key);
  expect(on(61).list()[1]).toMatchObject({ names: ['lb', '10.0.0.1', 'urn:fnfleet:role:lb'], daysLeft: 90 });
  expect([usable('lb', 61 + 89), usable('lb', 61 + 91)]).toEqual([true, false]);
});

it('renews all certificates with new keys on request', () => {
  aFleet();
  const key = text('lb.key');
  expect(on(1).renew({ all: true, newKeys: true })).toEqual(['lb', 'runner']);
  expect(text('lb.key')).not.toBe(key);
  expect(usable('lb', 1)).toBe(true);
});

it('rotates the CA in three steps, and every certificate is valid after each of them', () => {
  aFleet();
  const old = new X509Certificate(text('ca.crt'));
  const good = () => ['lb', 'runner'].every((name) => usable(name, 1));
  expect(() => on(1).reissueAll()).toThrow('run the first step before: `fnfleet certs rotate-ca trust`');

  on(1).trustNext();
  expect(good()).toBe(true);
  expect(new X509Certificate(text('lb.crt')).checkIssued(old)).toBe(true);
  expect(() => on(1).trustNext()).toThrow('this step has been done');
  expect(() => on(1).dropOld()).toThrow('run `fnfleet certs rotate-ca reissue` first');

  expect(on(1).reissueAll()).toEqual(['lb', 'runner']);
  expect(good()).toBe(true);
  expect(new X509Certificate(text('lb.crt')).checkIssued(old)).toBe(false);
  // Whoever is issued one between the steps has it from the new CA.
  on(1).issue({ name: 'late', sans: [], days: DAYS });

  on(1).dropOld();
  expect(good() && usable('late', 1)).toBe(true);
  expect(text('ca.crt').match(/BEGIN/g)).toHaveLength(1);
  expect(new X509Certificate(text('ca.crt')).subject).not.toBe(old.subject);
  expect(
    on(1)
      .list()
      .every(({ current }) => current),
  ).toBe(true);
});

it('does not remove a CA while a certificate signed by it is in use', () => {
  aFleet();
  on(1).trustNext();
  const left = text('runner.crt');
  on(1).reissueAll();
  new CertFolder(dir).write('runner', 'crt', left);
  expect(() => on(1).dropOld()).toThrow(/^still of the CA of before: runner; `fnfleet certs renew --all`/);
  on(1).renew({ all: true });
  on(1).dropOld();
  expect(usable('runner', 1)).toBe(true);
});

describe('refuses', () => {
  it('to replace a CA or a certificate by accident', () => {
    aFleet();
    expect(() => on(0).init()).toThrow(/there is a CA in .*; --force replaces it/);
    expect(() => on(0).issue({ name: 'lb', sans: [], days: 1 })).toThrow('the certificate lb already exists');
    on(0).issue({ name: 'lb', sans: [], days: 1 }, { force: true });
    on(0).init({ force: true });
    expect(usable('lb', 0)).toBe(false);
  });

  it('a key that others can read', () => {
    aFleet();
    chmodSync(path.join(dir, 'ca.key'), 0o640);
    expect(() => on(0).renew({ all: true })).toThrow(/ca.key may be read by others \(mode 640\): chmod 600/);
    chmodSync(path.join(dir, 'ca.key'), 0o600);
    chmodSync(path.join(dir, 'lb.key'), 0o604);
    expect(() => on(0).renew({ all: true })).toThrow(/lb.key may be read by others/);
  });

  it('to sign without a CA, or without its key', () => {
    expect(() => on(0).issue({ name: 'lb', sans: [], days: 1 })).toThrow(
      /there is no CA in .*: create one with `fnfleet certs init`/,
    );
    aFleet();
    rmSync(path.join(dir, 'ca.key'));
    expect(() => on(0).renew()).toThrow('lacks the key of the CA');
  });

  it.each(['', '../lb', 'ca', 'a b', '-x'])('the name %j', (name) => {
    aFleet([]);
    expect(() => on(0).issue({ name, sans: [], days: 1 })).toThrow('is no name for a certificate');
  });

  it('an invalid host name', () => {
    aFleet([]);
    expect(() => on(0).issue({ name: 'lb', sans: ['no host'], days: 1 })).toThrow('"no host" is neither a host name');
    expect(readdirSync(dir).sort()).toEqual(['ca.crt', 'ca.key']);
  });
});
