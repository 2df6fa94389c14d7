// takes: 10 s

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { silentLogger, wallMs } from '@fnfleet/core';
import { until } from '@fnfleet/testing';
import { FileIdentity, fixedIdentity, readTlsMaterial, type TlsIdentity } from '@fnfleet/tls';
import { fleetAccess } from 'fnfleet';
import { Agent, buildConnector } from 'undici';
import { fnfleet } from './harness/command.js';
import { Fleet } from './harness/fleet.js';
import { type Answer, errorOf, invoke } from './harness/invoke.js';
import { Load } from './harness/load.js';
import { ROOT } from './harness/paths.js';

jest.setTimeout(180_000);

const CLIENTS = 6;
const NODES = ['api', 'lb', 'runner1', 'runner2'] as const;
const ROLE_OF = { api: 'api', lb: 'lb', runner1: 'pure-runner', runner2: 'pure-runner' } as const;

describe('a fleet with TLS', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'e2e-tls-'));
  const certs = path.join(folder, 'certs');
  let fleet: Fleet;
  let url: string;
  let operator: FileIdentity;
  let dispatcher: Agent;

  beforeAll(async () => {
    await run('init');
    for (const node of NODES) await run('issue', node, '--role', ROLE_OF[node], '--san', '127.0.0.1');
    await run('issue', 'operator', '--role', 'operator');
    fleet = await Fleet.start({
      runners: 2,
      settings: {
        FN_DRIVER: 'process',
        FN_PROCESS_FUNCTIONS: path.join(ROOT, 'e2e/functions'),
        DOCKER_HOST: 'unix:///nonexistent',
        FN_TLS_ALLOWED_NAMES: 'urn:fnfleet:role:lb,urn:fnfleet:role:operator',
      },
      settingsOf: tlsOf,
      access: fleetAccess(tlsOf('operator')),
    });
    url = await fleet.deployed({ name: 'probe' });
    operator = new FileIdentity({ files: filesOf('operator'), logger: silentLogger });
    dispatcher = agentOf(operator);
  });

  afterAll(async () => {
    await dispatcher.destroy();
    operator.close();
    expect(await fleet.stop()).toEqual([]);
    rmSync(folder, { recursive: true });
  });

  function filesOf(name: string) {
    return { cert: `${certs}/${name}.crt`, key: `${certs}/${name}.key`, ca: `${certs}/ca.crt` };
  }

  function tlsOf(name: string): Record<string, string> {
    const { cert, key, ca } = filesOf(name);
    return { FN_TLS_CERT: cert, FN_TLS_KEY: key, FN_TLS_CA: ca };
  }

  async function run(...args: string[]): Promise<void> {
    const { code, output } = await fnfleet(['certs', ...args, '--dir', certs]);
    expect([code, output]).toEqual([0, expect.any(String)]);
  }

  /** How often all nodes together have taken up new files. */
  const takenUp = () => fleet.log.split('loaded new TLS files').length - 1;

  /** Changes files, and waits until every node has seen that. */
  async function change(...args: string[]): Promise<void> {
    const before = takenUp();
    await run(...args);
    const all = () => takenUp() >= before + NODES.length || undefined;
    await until({ what: `new files in use after certs ${args.join(' ')}`, look: all, withinMs: 60_000 });
  }

  it('runs functions for those who belong to it, with every command', async () => {
    const { headers, status } = await invoke(url, { dispatcher });
    expect(status).toBe(200);
    const callId = String(headers['fn-call-id']);
    const env = tlsOf('operator');
    const api = ['--api', fleet.apiUrl];
    const answers = [
      await fnfleet(['invoke', 'e2e', 'probe', '--data', '{}', ...api], env),
      await fnfleet(['explain', callId, '--lb', fleet.lbUrl], env),
      await fnfleet(
        ['logs', 'probe', '--app', 'e2e', '--no-follow', '--runner', fleet.runnerAddresses.join(','), ...api],
        env,
      ),
    ];
    expect(answers.map(({ code, output }) => (code === 0 ? 0 : output))).toEqual([0, 0, 0]);
  });

  it('tells everybody else why not, and takes health checks from anybody', async () => {
    const stranger = agentOf(fixedIdentity({ ca: operator.material.ca }));
    const api = agentOf(fixedIdentity(readTlsMaterial(filesOf('api'), wallMs(Date.now()))));
    try {
      expect(errorOf(await invoke(url, { dispatcher: stranger }))).toEqual([
        401,
        expect.stringMatching(/client certificate .*is required/),
      ]);
      expect(errorOf(await invoke(url, { dispatcher: api }))).toEqual([
        403,
        expect.stringContaining('urn:fnfleet:role:api'),
      ]);
      const healthy = await invoke(`${fleet.lbUrl}/readyz`, { method: 'GET', dispatcher: stranger });
      expect(healthy.status).toBe(200);
    } finally {
      await Promise.all([stranger.destroy(), api.destroy()]);
    }
    const { code, output } = await fnfleet(['invoke', 'e2e', 'probe', '--api', fleet.apiUrl]);
    expect([code, output]).toEqual([1, expect.stringMatching(/no API node answers at https:.*(certificate|issuer)/)]);
  });

  it('new certificates and keys, and another CA, cost no call', async () => {
    let turn = 0;
    // Every other client makes a connection for each call.
    const call = (): Promise<Answer> => {
      turn += 1;
      return invoke(url, { body: '{}', dispatcher, reset: turn % 2 === 0 });
    };
    const load = new Load(CLIENTS, call);
    await load.untilAnswered(50);

    await change('renew', '--all', '--new-keys');
    await load.untilAnswered(50);
    // Balancer and runners meet again, with what they have now.
    await fleet.restart('runner1');
    await load.untilAnswered(50);

    await change('rotate-ca', 'trust');
    await load.untilAnswered(50);
    await change('rotate-ca', 'reissue');
    await fleet.restart('runner2');
    await load.untilAnswered(50);
    await change('rotate-ca', 'finish');
    await fleet.restart('runner1');
    await fleet.restart('runner2');
    await load.untilAnswered(50);

    const { answered, failed } = await load.end();
    print(`all certificates, all keys and the CA replaced: ${answered} calls answered, ${failed.length} failed`);
    expect(failed).toEqual([]);
  });

  it('files that do not fit are refused, and those before serve on', async () => {
    const seen = fleet.log.length;
    await run('init', '--force');
    const complaint = /new TLS files are invalid.*not signed by a CA of FN_TLS_CA/;
    await until({
      what: 'a complaint',
      look: () => complaint.exec(fleet.log.slice(seen)) ?? undefined,
      withinMs: 60_000,
    });
    expect((await invoke(url, { dispatcher, reset: true })).status).toBe(200);
  });
});

/** Each connection is made with what the identity is then. */
function agentOf(identity: TlsIdentity): Agent {
  return new Agent({
    connect: ({ ...target }, callback) => {
      const { cert, key, ca } = identity.material;
      buildConnector({ cert, key, ca, allowH2: false })(target, callback);
    },
  });
}

/** For whoever reads the log of the tests. */
function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
