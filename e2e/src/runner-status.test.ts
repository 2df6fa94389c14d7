// takes: 15 s
import { ScriptedBalancer, until } from '@fnfleet/testing';
import { Fleet } from './harness/fleet.js';
import { errorOf, invoke, reportOf, send } from './harness/invoke.js';
import { request } from './harness/requests.js';

jest.setTimeout(120_000);

const DETACHED = { 'fn-invoke-type': 'detached' };
const STATUS_IMAGE = 'fnfleet/micro:latest';

/** A runner as its operator sees it: what it says of itself, detached calls, and how it goes. */
describe('a runner', () => {
  let fleet: Fleet;
  let runner: ScriptedBalancer;

  beforeAll(async () => {
    // The balancer asks for no status: that would run the status image as well, count as running, and fill the cache.
    const settings = { FN_ENABLE_DETACHED: '1', FN_STATUS_IMAGE: STATUS_IMAGE, FN_RUNNER_PROBE_MSECS: '0' };
    fleet = await Fleet.start({ settings });
    const [address = ''] = fleet.runnerAddresses;
    runner = new ScriptedBalancer(address);
  });

  afterAll(async () => {
    runner.close();
    expect(await fleet.stop()).toEqual([]);
  });

  const running = () => runnerMetric('fn_running');

  it('agent-and-docker 86: answers a detached call when its function has begun, and the function runs on', async () => {
    const url = await fleet.deployed({ name: 'later' });
    const answer = await invoke(url, { headers: DETACHED, knobs: { sleepMs: 3_000 } });

    expect([answer.status, answer.body.length]).toEqual([202, 0]);
    expect(await running()).toBe(1);
    await until({ what: 'the function ends', look: async () => ((await running()) === 0 ? true : undefined) });
    // The same container has served a call before this one.
    expect(reportOf(await invoke(url)).request).toBe(2);
  });

  it('agent-and-docker 86: a detached call whose container does not start is an error', async () => {
    const broken = await fleet.deployed({ name: 'broken', config: { PROBE_INIT_EXIT: '3' } });
    const answer = await invoke(broken, { headers: DETACHED });
    expect(errorOf(answer)).toEqual([502, expect.stringContaining('Container failed to initialize')]);
  });

  it('agent-and-docker 90: runs its status image, on real Docker, and keeps the result for a while', async () => {
    const [first, second] = await Promise.all([runner.unary('Status'), runner.unary('Status')]);
    expect(first).toMatchObject({ failed: false, errorStr: '', details: 'ok\n', isNetworkDisabled: false });
    expect([first?.cached, second?.cached].sort()).toEqual([false, true]);
    expect(second?.id).toBe(first?.id);
    expect(first?.ctrCreateDuration).toBeGreaterThan(0);
    expect(first?.load).toMatchObject({ draining: false, degraded: false, instanceId: expect.any(String) });

    const user = await fleet.deployed({ name: 'user', image: STATUS_IMAGE });
    expect(errorOf(await invoke(user))).toEqual([400, 'Invalid Fn image']);
  });

  it('every node says that it lives and takes work', async () => {
    for (const name of ['api', 'lb', 'runner1']) {
      for (const path of ['healthz', 'readyz'])
        expect(await get(`${fleet.url(name)}/${path}`)).toMatchObject([200, {}]);
    }
  });

  it('protocol 47: that is told to stop says so everywhere, and finishes the call in hand', async () => {
    const url = await fleet.deployed({ name: 'last' });
    await invoke(url);
    const answer = send(url, { knobs: { sleepMs: 3_000, body: 'done' } });
    await until({ what: 'the call runs', look: async () => ((await running()) === 1 ? true : undefined) });
    const pid = fleet.pid('runner1');
    process.kill(pid, 'SIGTERM');

    const ready = `${fleet.url('runner1')}/readyz`;
    await until({ what: 'not ready', look: async () => ((await get(ready))[0] === 503 ? true : undefined) });
    expect(await get(ready)).toEqual([503, { status: 'draining' }]);
    expect(await runner.unary('Status')).toMatchObject({ active: 1, load: { draining: true } });
    const { statusCode, body } = await answer;
    expect([statusCode, await body.text()]).toEqual([200, 'done']);
    // Asked once more, by the end of the fleet, it would not finish its own cleaning.
    await until({ what: 'it ends by itself', look: () => (isAlive(pid) ? undefined : true) });
  });

  async function runnerMetric(name: string): Promise<number> {
    const { body } = await request(`${fleet.url('runner1')}/metrics`);
    const line = (await body.text()).split('\n').find((candidate) => candidate.match(`^${name}[ {]`));
    return Number(/([\d.]+)( \d+)?$/.exec(line ?? '')?.[1] ?? Number.NaN);
  }
});

describe('what callers ask for in vain', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    const settings = { FN_ENABLE_DETACHED: '0', FN_MAX_TOTAL_MEMORY_BYTES: String(512 * 1024 * 1024) };
    fleet = await Fleet.start({ runners: 3, settings });
  });
  afterAll(async () => {
    expect(await fleet.stop()).toEqual([]);
  });

  it.each`
    title                                                        | headers     | memory  | code   | message
    ${'agent-and-docker 85: a detached call where they are off'} | ${DETACHED} | ${128}  | ${501} | ${'Detach call functions are not supported on this server'}
    ${'memory that no runner has'}                               | ${{}}       | ${4096} | ${400} | ${'Requested CPU/Memory cannot be allocated'}
    ${'an image that cannot be had'}                             | ${{}}       | ${129}  | ${502} | ${expect.stringContaining('Failed to pull image')}
  `('$title is $code, however often, and takes no runner out', async ({ headers, memory, code, message }) => {
    const image = memory === 129 ? { image: '127.0.0.1:1/nobody/listens:1' } : {};
    const url = await fleet.deployed({ name: `in-vain-${code}`, memory, ...image });
    for (let round = 0; round < 4; round += 1) {
      const answers = await Promise.all(Array.from({ length: 5 }, () => invoke(url, { headers })));
      expect(answers.map(errorOf)).toEqual(Array(5).fill([code, message]));
    }
    const { body } = await request(`${fleet.lbUrl}/fleet`);
    const { runners } = (await body.json()) as { runners: readonly { state: string }[] };
    expect(runners.map(({ state }) => state)).toEqual(['ok', 'ok', 'ok']);
    expect((await invoke(await fleet.deployed({ name: 'ordinary' }))).status).toBe(200);
  });
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function get(url: string): Promise<[status: number, body: unknown]> {
  const { statusCode, body } = await request(url);
  return [statusCode, await body.json()];
}
