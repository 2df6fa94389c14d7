// takes: 6 s
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fleetAccess } from 'fnfleet';
import { fnfleet } from './harness/command.js';
import { Fleet } from './harness/fleet.js';
import { ROOT } from './harness/paths.js';

jest.setTimeout(120_000);

describe('a fleet with TLS whose runners listen on unix sockets', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'e2e-tls-'));
  const certs = path.join(folder, 'certs');
  let fleet: Fleet;

  beforeAll(async () => {
    await run('init');
    await run('issue', 'api', '--role', 'api', '--san', '127.0.0.1');
    await run('issue', 'lb', '--role', 'lb', '--san', '127.0.0.1');
    // Who connects to a unix socket expects the name localhost.
    await run('issue', 'runner1', '--role', 'pure-runner', '--san', '127.0.0.1,localhost');
    await run('issue', 'operator', '--role', 'operator');
    fleet = await Fleet.start({
      sockets: true,
      settings: {
        FN_DRIVER: 'process',
        FN_PROCESS_FUNCTIONS: path.join(ROOT, 'e2e/functions'),
        DOCKER_HOST: 'unix:///nonexistent',
        FN_TLS_ALLOWED_NAMES: 'urn:fnfleet:role:lb,urn:fnfleet:role:operator',
      },
      settingsOf: tlsOf,
      access: fleetAccess(tlsOf('operator')),
    });
  });

  afterAll(async () => {
    expect(await fleet.stop()).toEqual([]);
    rmSync(folder, { recursive: true });
  });

  function tlsOf(name: string): Record<string, string> {
    return { FN_TLS_CERT: `${certs}/${name}.crt`, FN_TLS_KEY: `${certs}/${name}.key`, FN_TLS_CA: `${certs}/ca.crt` };
  }

  async function run(...args: string[]): Promise<void> {
    const { code, output } = await fnfleet(['certs', ...args, '--dir', certs]);
    expect([code, output]).toEqual([0, expect.any(String)]);
  }

  it('runs functions, and lets nobody without a certificate of its CA use a socket', async () => {
    await fleet.deploy({ name: 'probe' });
    const [socket] = fleet.runnerAddresses;
    expect(socket).toMatch(/^unix:\//);
    const api = ['--api', fleet.apiUrl];
    const invoked = await fnfleet(['invoke', 'e2e', 'probe', '--data', '{}', ...api], tlsOf('operator'));
    expect([invoked.code, invoked.output]).toEqual([0, expect.any(String)]);

    const logs = (env: Record<string, string>) =>
      fnfleet(['logs', 'probe', '--app', 'e2e', '--no-follow', '--runner', String(socket), ...api], env);
    expect((await logs(tlsOf('operator'))).code).toBe(0);
    expect((await logs({ ...tlsOf('operator'), ...tlsOf('api') })).code).not.toBe(0);
  });
});
