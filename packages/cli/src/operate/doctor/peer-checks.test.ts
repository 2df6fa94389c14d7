import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { agentSettings, newAgent } from '@fnfleet/agent';
import { MIB, readSettings } from '@fnfleet/core';
import { scriptedDriver } from '@fnfleet/drivers';
import { newPureRunner, type PureRunner } from '@fnfleet/pure-runner';
import { checkApi } from './api-check.js';
import type { Finding } from './finding.js';
import { checkRunners, peersOf } from './runner-checks.js';

const runners: PureRunner[] = [];
afterEach(async () => {
  await Promise.all(runners.splice(0).map((runner) => runner.close()));
});

/** @returns its address */
async function startRunner(name: string): Promise<string> {
  const driver = scriptedDriver({ functions: {} });
  const totals = { memoryBytes: MIB, cpuMillis: 1000 };
  const agent = newAgent({ driver, settings: readSettings(agentSettings, {}), totals });
  const runner = newPureRunner({ agent, listen: '127.0.0.1:0', name: () => name });
  runners.push(runner);
  await runner.ready;
  return `127.0.0.1:${runner.address.port}`;
}

async function check(addresses: readonly string[], ourselves = {}): Promise<string[]> {
  const peers = peersOf({ FN_RUNNER_ADDRESSES: addresses.join(',') });
  if (peers === undefined) throw new Error('no peers');
  const findings = await checkRunners(peers, undefined, { name: undefined, address: undefined, ...ourselves });
  return findings.map(shown);
}

function shown({ verdict, what, remedy }: Finding): string {
  return `${verdict} ${what}${remedy === undefined ? '' : ` → ${remedy}`}`;
}

describe('the runners of a fleet', () => {
  it('are distinguished, and those that do not answer are named', async () => {
    const [a, b] = [await startRunner('box-1'), await startRunner('box-2')];
    expect(await check([a, b, '127.0.0.1:1'])).toEqual([
      expect.stringMatching(`^ok ${a} answers: box-1, version .*, clock`),
      expect.stringMatching(`^ok ${b} answers: box-2, version`),
      expect.stringMatching(/^fail 127\.0\.0\.1:1 does not answer: .*ECONNREFUSED.* → check that it is running/),
    ]);
  });

  it('that are listed twice or share a name are reported', async () => {
    const [a, b] = [await startRunner('box'), await startRunner('box')];
    const twice = a.replace('127.0.0.1', 'localhost');
    expect((await check([a, b, twice])).slice(3)).toEqual([
      expect.stringMatching(`^fail ${a} and ${twice} are the same runner.* → list it once`),
      expect.stringMatching(/^fail .* have the same name "box" → give each its own FN_RUNNER_NAME$/),
    ]);
  });

  it('must not have the name of the node that checks', async () => {
    const a = await startRunner('box');
    expect((await check([a], { name: 'box', address: 'here:9190' }))[1]).toMatch(
      `fail ${a} has the same name as this runner, box`,
    );
    expect(await check([a], { name: 'box', address: a })).toHaveLength(1);
    expect(await check([a], { name: 'box', address: '127.0.0.1' })).toHaveLength(1);
  });

  it('with line breaks and control characters in their names are shown on one line, escaped', async () => {
    const a = await startRunner('box\n  → all is well\x1b[2J');
    const [finding = ''] = await check([a]);
    expect(finding).toContain('answers: box\\u000a  → all is well\\u001b[2J, version');
  });

  it('that are drained are reported', async () => {
    const a = await startRunner('box');
    runners[0]?.suspend();
    expect((await check([a]))[1]).toBe(
      `warn ${a} takes no new calls → when it should take calls again: fnfleet undrain ${a}`,
    );
  });

  it('whose list cannot be read fail on a balancer, but not on a runner, which may be the first', async () => {
    const ourselves = { name: undefined, address: undefined };
    const pool = peersOf({ FN_RUNNER_POOL: 'file:///nowhere/runners' });
    const register = peersOf({ FN_REGISTER: 'etcd://127.0.0.1:1/fleet?ttl=5', FN_ADVERTISE_ADDRESS: 'h:1' });
    if (pool === undefined || register === undefined) throw new Error('no peers');
    expect((await checkRunners(pool, undefined, ourselves)).map(shown)).toEqual([
      expect.stringMatching(
        /^fail file:\/\/\/nowhere\/runners lists no runners: .*ENOENT.* → check that FN_RUNNER_POOL/,
      ),
    ]);
    expect((await checkRunners(register, undefined, ourselves)).map(shown)).toEqual([
      expect.stringMatching(/^warn etcd:\/\/127\.0\.0\.1:1\/fleet lists no runners: .*ECONNREFUSED.* → .*FN_REGISTER/),
    ]);
  });

  it('are not checked if no setting names their source', () => {
    expect(peersOf({ FN_NODE_TYPE: 'pure-runner' })).toBeUndefined();
  });
});

describe('the API node', () => {
  let server: Server | undefined;
  afterEach(() => new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined))));

  async function answering(status: number, headers: Record<string, string> = {}): Promise<string> {
    server = createServer((_req, res) => {
      res.writeHead(status, { connection: 'close', ...headers }).end('{"message":"no"}');
    });
    await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it.each<[number, RegExp]>([
    [200, /^ok http:\/\/127.* answers$/],
    [401, /^fail .*refuses this node: .*401: no → set FN_OPERATOR_TOKEN/],
    [500, /^fail .*answers 500.* → check that/],
  ])('that answers %i', async (status, expected) => {
    const found = await checkApi(await answering(status), { fetch });
    expect(found.map(shown)).toEqual([expect.stringMatching(expected)]);
  });

  it('whose clock is an hour ahead', async () => {
    const date = new Date(Date.now() + 3_600_000).toUTCString();
    const found = await checkApi(await answering(200, { date }), { fetch });
    expect(found.map(shown)).toEqual([
      expect.stringMatching(/^ok/),
      expect.stringMatching(
        /^warn the clock of .* differs by \+3(5\d\d|600) s from this one → synchronize both with NTP/,
      ),
    ]);
  });

  it('must use TLS if the fleet does', async () => {
    await expect(checkApi('http://api:8080', { fetch, hasTls: true })).rejects.toThrow('is plain text');
  });

  it('is checked like each of the others in a list', async () => {
    const address = await answering(200);
    expect((await checkApi(`${address}, 127.0.0.1:1`, { fetch })).map(shown)).toEqual([
      `ok http://${address} answers`,
      expect.stringMatching(/^fail http:\/\/127\.0\.0\.1:1.* → check that it is running/),
    ]);
  });

  it('is checked like each of the others in a pool', async () => {
    const address = await answering(200);
    expect((await checkApi(`static://${address}`, { fetch })).map(shown)).toEqual([`ok http://${address} answers`]);
    expect((await checkApi('file:///nowhere/api', { fetch })).map(shown)).toEqual([
      expect.stringMatching(/^fail file:\/\/\/nowhere\/api lists no API nodes: .*ENOENT.* → check FN_RUNNER_API_URL/),
    ]);
  });
});
