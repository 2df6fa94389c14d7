// needs: systemd-analyze
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { testTool } from '@fnfleet/testing';
import { fnfleet } from '../harness/command.js';
import { ROOT } from '../harness/paths.js';
import { run } from '../harness/run.js';
import { problemsOf } from './role-environment.js';
import { INSTALLED, SYSTEMD, systemdUnits, type Unit } from './systemd-units.js';

jest.setTimeout(120_000);

/** From `systemd-analyze security`: 0 is a service that can do nothing, 10 one that can do everything. */
const MOST_EXPOSED: Readonly<Record<string, number>> = { api: 1.5, lb: 1.5, runner: 2.8 };

describe('the units of deploy/systemd', () => {
  let folder: string;
  let analyze: string;
  const units = systemdUnits();
  const pathOf = ({ name }: Unit) => path.join(folder, name);

  beforeAll(async () => {
    analyze = await testTool('systemd-analyze');
  });
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'e2e-systemd-'));
    // systemd looks whether the program is there.
    for (const unit of units)
      writeFileSync(pathOf(unit), unit.text.replaceAll(INSTALLED, path.join(ROOT, 'bin/fnfleet')));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('are one for each role', () => {
    expect(units.map(({ role }) => role).sort()).toEqual(['api', 'lb', 'runner']);
  });

  it('have nothing that systemd does not know', async () => {
    const { stdout, stderr } = await run(analyze, ['verify', '--man=no', ...units.map(pathOf)]);
    // It also warns of what is wrong with the units of the machine.
    const ours = `${stdout}${stderr}`.split('\n').filter((line) => line.includes(folder) || line.includes('fnfleet-'));
    expect(ours).toEqual([]);
  });

  it('verify finds what is wrong', async () => {
    const [unit] = units;
    if (unit === undefined) throw new Error('no units');
    writeFileSync(pathOf(unit), `${unit.text}\n[Service]\nProtectEverything=yes\n`);
    const { stderr } = await run(analyze, ['verify', '--man=no', pathOf(unit)]).catch((error) => error);
    expect(stderr).toContain('ProtectEverything');
  });

  it.each(units.map((unit) => [unit.role, unit] as const))('%s can do no more than it must', async (role, unit) => {
    const threshold = String((MOST_EXPOSED[role] ?? 0) * 10);
    // Fails beyond the threshold.
    await run(analyze, ['security', '--offline=yes', `--threshold=${threshold}`, pathOf(unit)]);
  });

  it.each(units.map((unit) => [unit.role, unit] as const))('%s has settings that it takes', (_, { environment }) => {
    expect(problemsOf(environment)).toEqual([]);
  });

  it.each(units.map((unit) => [unit.role, unit] as const))('%s may write where its settings say', (role, unit) => {
    const { env } = unit.environment;
    const used = [env.FN_DB_URL?.replace('sqlite3://', ''), env.FN_REPLAY_SPILL_DIR, env.FN_IOFS_PATH].flatMap(
      (file) => file ?? [],
    );
    const writable = [
      ...unit.values('StateDirectory').map((name) => `/var/lib/${name}`),
      ...unit.values('RuntimeDirectory').map((name) => `/run/${name}`),
    ];
    expect(used.filter((file) => !writable.some((folder) => file.startsWith(folder)))).toEqual([]);
    expect([role, used.length]).toEqual([role, 1]);
  });

  describe('install.sh', () => {
    const install = (...args: string[]) =>
      run(path.join(SYSTEMD, 'install.sh'), args, { env: { ...process.env, DESTDIR: path.join(folder, 'host') } });
    const onHost = (file: string) => path.join(folder, 'host', file);
    const certs = () => path.join(folder, 'certs');

    async function makeCerts(): Promise<void> {
      const { code, output } = await fnfleet(['certs', 'fleet', '--names', 'api,lb,runner', '--dir', certs()]);
      if (code !== 0) throw new Error(output);
      writeFileSync(path.join(certs(), 'operator.token'), 'secret\n');
    }

    it('puts in place what the units and settings name, readable for nobody else', async () => {
      await makeCerts();
      await install(certs(), 'api', 'lb', 'runner');
      expect(readdirSync(onHost('etc/systemd/system')).sort()).toEqual(units.map(({ name }) => name).sort());
      for (const { environment } of units) {
        const { FN_TLS_CERT = '', FN_TLS_KEY = '', FN_TLS_CA = '' } = environment.env;
        for (const file of [FN_TLS_CERT, FN_TLS_CA]) expect(statSync(onHost(file)).isFile()).toBe(true);
        expect(statSync(onHost(FN_TLS_KEY)).mode & 0o777).toBe(0o600);
      }
      expect(statSync(onHost('etc/fnfleet/operator.token')).mode & 0o777).toBe(0o600);
      expect(readdirSync(onHost('etc/fnfleet/certs'))).not.toContain('ca.key');
      expect(readFileSync(onHost('etc/fnfleet/runners'), 'utf8')).toContain(':9190');
    });

    it('replaces certificates, and leaves settings as they are', async () => {
      await makeCerts();
      await install(certs(), 'runner');
      writeFileSync(onHost('etc/fnfleet/runner.env'), '# of the operator\n');
      await fnfleet(['certs', 'renew', '--all', '--dir', certs()]);
      await install(certs(), 'runner');
      expect(readFileSync(onHost('etc/fnfleet/runner.env'), 'utf8')).toBe('# of the operator\n');
      const renewed = readFileSync(path.join(certs(), 'runner.crt'), 'utf8');
      expect(readFileSync(onHost('etc/fnfleet/certs/runner.crt'), 'utf8')).toBe(renewed);
      // Without a token for operators.
      expect(readdirSync(onHost('etc/fnfleet'))).toEqual(['certs', 'runner.env']);
    });

    it.each`
      story                         | args                   | says
      ${'no role'}                  | ${['certs']}           | ${'expected a folder of certificates'}
      ${'a role that there is not'} | ${['certs', 'worker']} | ${'unknown role "worker"; known: api, lb, runner'}
      ${'certificates not there'}   | ${['certs', 'api']}    | ${'certs/api.crt: there is no such file'}
    `('refuses $story, and changes nothing', async ({ args, says }) => {
      const failed = await install(...args).catch((error) => error);
      expect([failed.code, failed.stderr]).toEqual([2, expect.stringContaining(says)]);
      expect(readdirSync(folder)).not.toContain('host');
    });
  });
});
