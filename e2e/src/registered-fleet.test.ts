// needs: etcd
// takes: 7 s
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { EtcdServer, freePorts, until } from '@fnfleet/testing';
import { ApiClient, deployFunction, invokeUrl } from 'fnfleet';
import { FnfleetCommand, fnfleet } from './harness/command.js';
import { Footprint } from './harness/footprint.js';
import { invoke, reportOf } from './harness/invoke.js';
import { ROOT } from './harness/paths.js';

jest.setTimeout(120_000);

/** Runners that say where they are, and a balancer that listens: nobody has written an address down. */
describe('a fleet whose runners register themselves in etcd', () => {
  let footprint: Footprint;
  let etcd: EtcdServer;
  let port: number;
  const nodes: FnfleetCommand[] = [];

  beforeEach(async () => {
    footprint = new Footprint();
    mkdirSync(path.join(footprint.dataDir, 'iofs'));
    etcd = await EtcdServer.start();
    port = await freePorts(6);
  });

  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
    await etcd.close();
    const left = await footprint.leftovers();
    footprint.remove();
    expect(left).toEqual([]);
  });

  async function start(env: Readonly<Record<string, string>>): Promise<FnfleetCommand> {
    const node = new FnfleetCommand(['node'], { env: { ...footprint.env, FN_BIND_ADDRESS: '127.0.0.1', ...env } });
    nodes.push(node);
    await node.ready();
    return node;
  }

  const prefix = () => `etcd://${etcd.address}/fleet/runners`;

  function startRunner(http: number, grpc: number): Promise<FnfleetCommand> {
    return start({
      FN_NODE_TYPE: 'pure-runner',
      FN_PORT: `${http}`,
      FN_GRPC_PORT: `${grpc}`,
      FN_REGISTER: `${prefix()}?ttl=5`,
      FN_ADVERTISE_ADDRESS: `127.0.0.1:${grpc}`,
      FN_IOFS_PATH: path.join(footprint.dataDir, 'iofs'),
      FN_DRIVER: 'process',
      FN_PROCESS_FUNCTIONS: path.join(ROOT, 'e2e/functions'),
    });
  }

  /** Addresses of the runners that the balancer offers calls to. */
  async function seen(): Promise<string[]> {
    const { body } = await invoke(`http://127.0.0.1:${port + 1}/fleet`, { method: 'GET' });
    return JSON.parse(body.toString()).runners.map(({ address }: { address: string }) => address);
  }

  const untilSeen = (what: string, addresses: readonly string[]) =>
    until({ what, look: async () => (String(await seen()) === String(addresses) ? true : undefined) });

  /** The nodes that are not runners. @returns where a function is called through the balancer */
  async function startRest(): Promise<string> {
    const apiUrl = `http://127.0.0.1:${port}`;
    await start({ FN_NODE_TYPE: 'api', FN_PORT: `${port}`, FN_DB_URL: `sqlite3://${footprint.dataDir}/fn.db` });
    await start({
      FN_NODE_TYPE: 'lb',
      FN_PORT: `${port + 1}`,
      FN_RUNNER_API_URL: apiUrl,
      FN_RUNNER_POOL: prefix(),
    });
    const fn = await deployFunction(new ApiClient(apiUrl), 'e2e', { name: 'probe', image: 'probe' });
    return invokeUrl(fn).replace(apiUrl, `http://127.0.0.1:${port + 1}`);
  }

  it('calls run as soon as a runner has registered, and none goes to one that leaves', async () => {
    const url = await startRest();

    // The call comes first, and waits for a runner.
    const early = invoke(url);
    const first = await startRunner(port + 2, port + 4);
    expect(reportOf(await early).request).toBe(1);

    await startRunner(port + 3, port + 5);
    const both = [`127.0.0.1:${port + 4}`, `127.0.0.1:${port + 5}`];
    await untilSeen('both runners are seen', both);

    const running = invoke(url, { knobs: { sleepMs: 1_000 } });
    first.signal('SIGTERM');
    await untilSeen('the one that drains has gone', both.slice(1));
    expect((await invoke(url)).status).toBe(200);
    expect((await running).status).toBe(200);
    expect((await first.ended).code).toBe(0);
  });

  it('a runner that an operator drains is not found any more, finishes its call, and is found again', async () => {
    const url = await startRest();
    await startRunner(port + 2, port + 4);
    await startRunner(port + 3, port + 5);
    const both = [`127.0.0.1:${port + 4}`, `127.0.0.1:${port + 5}`];
    await untilSeen('both runners are seen', both);
    const env = { FN_LB_URL: `http://127.0.0.1:${port + 1}` };
    const running = [1, 2, 3, 4].map(() => invoke(url, { knobs: { sleepMs: 1_000 } }));
    await until({ what: 'calls in hand', look: async () => ((await inHand(port + 2)) > 0 ? true : undefined) });

    const drained = await fnfleet(['drain', both[0] ?? '', '--wait'], env);
    expect([drained.code, drained.output]).toEqual([
      0,
      expect.stringMatching(/calls in flight: 0\nto undo: fnfleet undrain http:/),
    ]);
    await untilSeen('the drained one is not found', both.slice(1));
    for (const call of running) expect((await call).status).toBe(200);
    expect((await invoke(url)).status).toBe(200);

    // It is not listed, so it has to be named by its URL, as the command has said.
    const unknown = await fnfleet(['undrain', both[0] ?? ''], env);
    expect([unknown.code, unknown.output]).toEqual([1, expect.stringContaining('use the URL of its HTTP port')]);
    expect(await fnfleet(['undrain', `http://127.0.0.1:${port + 2}`], env)).toMatchObject({ code: 0 });
    await untilSeen('both are found again', both);
  });

  async function inHand(http: number): Promise<number> {
    const { body } = await invoke(`http://127.0.0.1:${http}/runner`, { method: 'GET' });
    return JSON.parse(body.toString()).in_hand;
  }
});
