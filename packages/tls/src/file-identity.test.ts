// takes: 10 s
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { FakeClock, type LogFields, type Logger, later, RecordedMetrics, silentLogger, wallMs } from '@fnfleet/core';
import { type CertifiedKey, issueCertificate, newAuthority } from './authority/authority.js';
import { FileIdentity } from './file-identity.js';

const metrics = RecordedMetrics.install();
const NOW = Date.UTC(2026, 10, 24);
const DAY_MS = 86_400_000;
const fleet = newAuthority({ commonName: 'fleet CA', days: 3650, nowMs: wallMs(NOW) });

let folder: string;
let clock: FakeClock;
let logged: string[];
let identity: FileIdentity | undefined;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'fnfleet-identity-'));
  clock = new FakeClock(NOW);
  logged = [];
});

afterEach(() => {
  identity?.close();
  rmSync(folder, { recursive: true });
  expect(metrics.sum('tls_certificate_expiry_seconds')).toBe(0);
});

function issue(authority: CertifiedKey = fleet, days = 90): CertifiedKey {
  return issueCertificate(authority, { commonName: 'lb', altNames: [], days, nowMs: clock.wallNow() });
}

function write({ cert, key }: CertifiedKey, into = folder, ca = fleet.cert): void {
  for (const [name, text] of Object.entries({ 'tls.crt': cert, 'tls.key': key, 'ca.crt': ca })) {
    writeFileSync(path.join(into, `${name}.new`), text);
    renameSync(path.join(into, `${name}.new`), path.join(into, name));
  }
}

function start(): FileIdentity {
  const note =
    (level: string) =>
    (message: string, fields: LogFields = {}) =>
      void logged.push(`${level} ${message}${fields.problem ? `: ${fields.problem}` : ''}`);
  const logger: Logger = { ...silentLogger, error: note('error'), warn: note('warn'), info: note('info') };
  const [cert, key, ca] = ['tls.crt', 'tls.key', 'ca.crt'].map((name) => path.join(folder, name)) as [
    string,
    string,
    string,
  ];
  identity = new FileIdentity({ files: { cert, key, ca }, logger, clock });
  return identity;
}

/** For what only the system knows the time of. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((later) => setTimeout(later, 5));
}

it('loads replaced files, and notifies listeners', async () => {
  const [first, second, third] = [issue(), issue(), issue()];
  write(first);
  const found = start();
  let changes = 0;
  const stop = found.onChange(() => {
    changes += 1;
  });
  write(second);
  await clock.advance(10_000);
  expect([found.material.cert, found.material.key, changes]).toEqual([second.cert, second.key, 1]);
  await clock.advance(10_000);
  expect(changes).toBe(1);
  stop();
  write(third);
  await clock.advance(10_000);
  expect([found.material.cert, changes]).toEqual([third.cert, 1]);
});

it.each([-3_600_000, 3_600_000])(
  'the wall clock steps by %i ms: what is in use stays, and what replaces it is taken up as soon as ever',
  async (stepMs) => {
    const yesterday = later(wallMs(NOW), -DAY_MS);
    const authority = newAuthority({ commonName: 'fleet CA', days: 3650, nowMs: yesterday });
    const first = issue(authority);
    const second = issueCertificate(authority, { commonName: 'lb', altNames: [], days: 90, nowMs: yesterday });
    write(first, folder, authority.cert);
    const found = start();
    clock.stepWall(stepMs);
    await clock.advance(60_000);
    expect(found.material.cert).toBe(first.cert);
    write(second, folder, authority.cert);
    await clock.advance(10_000);
    expect(found.material.cert).toBe(second.cert);
    expect(logged).toEqual(['info loaded new TLS files']);
  },
);

const put = {
  pipe: (file: string) => execFileSync('mkfifo', [file]),
  folder: (file: string) => mkdirSync(file),
  device: (file: string) => symlinkSync('/dev/zero', file),
  terabyte: (file: string) => {
    writeFileSync(file, '');
    truncateSync(file, 2 ** 40);
  },
  garbage: (file: string) => writeFileSync(file, randomBytes(10_000)),
  nothing: () => undefined,
  'an expired one': (file: string) =>
    writeFileSync(
      file,
      issueCertificate(fleet, { commonName: 'lb', altNames: [], days: 1, nowMs: wallMs(NOW - 9 * DAY_MS) }).cert,
    ),
  'one of another CA': (file: string) =>
    writeFileSync(file, issue(newAuthority({ commonName: 'other', days: 1, nowMs: wallMs(NOW) })).cert),
};

it.each(
  Object.entries(put).flatMap(([what, make]) =>
    ['tls.crt', 'tls.key', 'ca.crt'].map((file) => [file, what, make] as const),
  ),
)(
  '%s becomes %s: the identity of before serves on, the log says so once, and the next good one is taken up',
  async (name, _what, make) => {
    const [first, second] = [issue(), issue()];
    write(first);
    const found = start();
    rmSync(path.join(folder, name));
    make(path.join(folder, name));
    await clock.advance(60_000);
    expect([found.material.cert, found.material.key]).toEqual([first.cert, first.key]);
    expect(logged).toEqual([
      expect.stringMatching(/^error new TLS files are invalid, keeping the previous ones: .*FN_TLS_/s),
    ]);
    rmSync(path.join(folder, name), { recursive: true, force: true });
    write(second);
    await clock.advance(10_000);
    expect(found.material.cert).toBe(second.cert);
  },
);

it('is notified by the system of a change, also of the kind that Kubernetes makes', async () => {
  const [first, second] = [issue(), issue()];
  for (const [name, pair] of [
    ['..1', first],
    ['..2', second],
  ] as const) {
    mkdirSync(path.join(folder, name));
    write(pair, path.join(folder, name));
  }
  symlinkSync('..1', path.join(folder, '..data'));
  for (const name of ['tls.crt', 'tls.key', 'ca.crt']) symlinkSync(`..data/${name}`, path.join(folder, name));
  const found = start();
  // The watch is set up in the background. What it hears sets a timer that is shorter than any other.
  const timers = jest.spyOn(clock, 'after');
  await until(async () => {
    symlinkSync('..2', path.join(folder, '..data_tmp'));
    renameSync(path.join(folder, '..data_tmp'), path.join(folder, '..data'));
    return timers.mock.calls.length > 0;
  });
  await until(async () => {
    await clock.advance(1);
    return found.material.cert === second.cert;
  });
  expect(clock.now()).toBeLessThan(10_000);
});

it('I2: waits until all files have been replaced', async () => {
  const [first, second] = [issue(), issue()];
  write(first);
  const found = start();
  writeFileSync(path.join(folder, 'tls.crt'), second.cert);
  await clock.advance(10_000);
  expect(found.material.cert).toBe(first.cert);
  write(second);
  await clock.advance(1000);
  expect(found.material.cert).toBe(second.cert);
  expect(logged).toEqual(['info loaded new TLS files']);
});

it('I2: keeps the old files while the new ones are invalid, and logs the reason once', async () => {
  const first = issue();
  write(first);
  const found = start();
  write(issue(newAuthority({ commonName: 'foreign CA', days: 1, nowMs: wallMs(NOW) })));
  for (let look = 0; look < 6; look += 1) await clock.advance(10_000);
  rmSync(path.join(folder, 'tls.key'));
  for (let look = 0; look < 6; look += 1) await clock.advance(10_000);
  expect(found.material.cert).toBe(first.cert);
  expect(logged).toEqual([
    expect.stringMatching(
      /^error new TLS files are invalid, .*is not signed by a CA of FN_TLS_CA.*but by CN=foreign CA/,
    ),
    expect.stringMatching(/^error new TLS files are invalid, .*FN_TLS_KEY: .*cannot be read/s),
  ]);
});

it('I3: reports its expiry, and warns in time', async () => {
  write(issue(fleet, 14));
  start();
  expect(metrics.sum('tls_certificate_expiry_seconds')).toBe((NOW + 14 * DAY_MS) / 1000);
  await clock.advance(60_000);
  expect(logged).toEqual(['warn the TLS certificate expires in less than 14 days']);
  write(issue(fleet, 90));
  await clock.advance(60_000);
  expect(metrics.sum('tls_certificate_expiry_seconds')).toBe((NOW + 60_000 + 90 * DAY_MS) / 1000);
  expect(logged).toHaveLength(2);
});

it('I1: does not start with invalid files', () => {
  write(issue());
  writeFileSync(path.join(folder, 'ca.crt'), '');
  expect(start).toThrow(/FN_TLS_CA/);
});

it('watches nothing once it is closed', async () => {
  const [first, second] = [issue(), issue()];
  write(first);
  const found = start();
  found.close();
  write(second);
  await clock.advance(60_000);
  expect(found.material.cert).toBe(first.cert);
});
