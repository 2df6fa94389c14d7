// takes: 17 s
import { freePorts, until } from '@fnfleet/testing';
import { fnfleet } from './harness/command.js';
import { Fleet } from './harness/fleet.js';
import { invoke } from './harness/invoke.js';
import { Load } from './harness/load.js';

jest.setTimeout(180_000);

const CLIENTS = 4;
const SLEEP_MS = 50;

interface Line {
  readonly address: string;
  readonly state: string;
  readonly name: string;
}

describe('an operator', () => {
  let fleet: Fleet;
  let url: string;
  let first: string;

  beforeAll(async () => {
    fleet = await Fleet.start({
      runners: 2,
      sockets: true,
      settings: { FN_SLOW_START_MSECS: '1000', FN_RUNNER_PROBE_MSECS: '1000', FN_PLACER: 'least-loaded' },
      settingsOf: (node): Record<string, string> => (node.startsWith('runner') ? { FN_RUNNER_NAME: node } : {}),
    });
    url = await fleet.deployed({ name: 'sleeper', memory: 128 });
    await Promise.all(Array.from({ length: CLIENTS }, () => invoke(url, { knobs: { sleepMs: SLEEP_MS } })));
    first = fleet.runnerAddresses[0] ?? '';
  });

  afterAll(async () => {
    expect(await fleet.stop()).toEqual([]);
  });

  const run = (...args: string[]) => fnfleet(args, { FN_LB_URL: fleet.lbUrl });
  const callsAt = (runner: string) => fleet.metricOf(runner, 'fn_calls');

  async function states(): Promise<string[]> {
    const { output } = await run('status', '--json');
    const [{ fleet: seen }] = JSON.parse(output).balancers as [{ fleet: { runners: Line[] } }];
    return seen.runners.map(({ name, state }) => `${name} ${state}`);
  }

  /** Under load, with a way out and back in between: nothing fails, nothing runs there meanwhile, and calls come back. */
  async function outAndBack(out: readonly string[], back: readonly string[]): Promise<void> {
    const load = new Load(CLIENTS, () => invoke(url, { knobs: { sleepMs: SLEEP_MS } }));
    await load.untilAnswered(50);
    expect(await callsAt('runner1')).toBeGreaterThan(0);

    expect(await run(...out)).toMatchObject({ code: 0 });
    const before = await callsAt('runner1');
    await load.untilAnswered(100);
    expect(await callsAt('runner1')).toBe(before);
    expect((await states())[0]).toMatch(/^runner1 (draining|cordoned)$/);

    expect(await run(...back)).toMatchObject({ code: 0 });
    await until({ what: 'calls at runner1', look: async () => (await callsAt('runner1')) > before || undefined });
    const { answered, failed } = await load.end();
    expect(failed).toEqual([]);
    expect(answered).toBeGreaterThan(150);
    expect(await states()).toEqual(['runner1 ok', 'runner2 ok']);
  }

  it('sees both runners, and that all is well', async () => {
    await until({
      what: 'names of the runners',
      look: async () => (await states()).join().includes('runner2') || undefined,
    });
    const { code, output } = await run('status');
    for (const address of fleet.runnerAddresses) expect(output).toContain(address);
    expect(output).toMatch(/runner1 +ok +0 +0 .*GiB.* in \d+ functions/);
    expect([code, output]).toEqual([0, expect.stringContaining('all is well')]);
  });

  it('reads what functions print by way of the balancer, which knows the runners', async () => {
    await invoke(url, { knobs: { stdout: ['through the balancer'] } });
    const line = await until({
      what: 'the line',
      look: async () => {
        const { output } = await run('logs', 'sleeper', '--app', 'e2e', '--no-follow', '--api', fleet.apiUrl);
        return /.*through the balancer.*/.exec(output)?.[0];
      },
    });
    expect(fleet.runnerAddresses.some((address) => line.includes(address))).toBe(true);
  });

  it('sees that the API node is away, and that it is back', async () => {
    await fleet.kill('api');
    const { code, output } = await run('status');
    expect([code, output]).toEqual([
      2,
      expect.stringContaining(
        `! cannot look up functions at ${fleet.apiUrl}: GET /v2/apps?per_page=1: connect ECONNREFUSED`,
      ),
    ]);
    expect(output).not.toContain('all is well');
    await fleet.revive('api');
    expect(await run('status')).toMatchObject({ code: 0, output: expect.stringContaining('all is well') });
  });

  it('sees what runs where', async () => {
    const { code, output } = await run('top', '--once', '--api', fleet.apiUrl);
    expect([code, output]).toEqual([0, expect.stringMatching(/FUNCTION +HOT.*\n\w+\/sleeper +[1-9]/)]);
  });

  it('drains a runner under load by its name: no call fails and none reaches it; undrained, it gets calls again', async () => {
    await outAndBack(['drain', 'runner1', '--wait', '--timeout', '60'], ['undrain', 'runner1']);
  });

  it('cordons one at the balancer where that is wanted, with the same effect', async () => {
    await outAndBack(['drain', first, '--cordon', '--wait'], ['undrain', first]);
  });

  it('is kept from draining the last by mistake, and can by its URL', async () => {
    expect(await run('drain', 'runner2')).toMatchObject({ code: 0 });
    await until({
      what: 'a draining runner2',
      look: async () => (await states())[1] === 'runner2 draining' || undefined,
    });
    const refused = await run('drain', 'runner1');
    expect([refused.code, refused.output]).toEqual([1, expect.stringContaining('is the last runner')]);

    expect(await run('undrain', fleet.url('runner2'))).toMatchObject({ code: 0 });
    await until({
      what: 'a runner2 that is back',
      look: async () => (await states())[1] === 'runner2 ok' || undefined,
    });
  });

  it('a drained runner ends at SIGTERM like any other', async () => {
    expect(await run('drain', 'runner1')).toMatchObject({ code: 0 });
    await fleet.restart('runner1');
    await until({ what: 'its successor', look: async () => (await states())[0] === 'runner1 ok' || undefined });
  });

  it('is told what there is when a runner is not, and whom to ask when nobody answers', async () => {
    const unknown = await run('drain', 'runner9');
    expect([unknown.code, unknown.output]).toEqual([
      1,
      expect.stringMatching(/no balancer has a runner called "runner9".*runner1/s),
    ]);
    const nobody = await fnfleet(['status'], { FN_LB_URL: `http://127.0.0.1:${await freePorts(1)}` });
    expect([nobody.code, nobody.output]).toEqual([
      1,
      expect.stringMatching(/no balancer answers .*FN_LB_URL.*ECONNREFUSED/s),
    ]);
  });

  describe('who asks the doctor', () => {
    const doctor = (env: Readonly<Record<string, string>>) => fnfleet(['doctor'], { ...fleet.footprint.env, ...env });

    it('of a balancer learns that all its runners and its api node answer, while its own port is taken by itself', async () => {
      const { code, output } = await doctor({
        FN_NODE_TYPE: 'lb',
        FN_BIND_ADDRESS: '127.0.0.1',
        FN_PORT: new URL(fleet.lbUrl).port,
        FN_RUNNER_API_URL: fleet.apiUrl,
        FN_RUNNER_ADDRESSES: fleet.runnerAddresses.join(','),
      });
      expect([code, output]).toEqual([0, expect.not.stringMatching(/^fail/m)]);
      expect(output).toMatch(/ok +port +FN_PORT: .* is used by a running node of version /);
      for (const address of fleet.runnerAddresses) expect(output).toMatch(`${address} answers: runner`);
      expect(output).toMatch(`${fleet.apiUrl} answers`);
    });

    it('of a runner learns that the machine is good', async () => {
      const { code, output } = await doctor({
        FN_NODE_TYPE: 'pure-runner',
        FN_PORT: new URL(fleet.url('runner1')).port,
        FN_GRPC_SOCKET: first,
      });
      expect([code, output]).toEqual([0, expect.not.stringMatching(/^fail/m)]);
      expect(output).toMatch(/ok +engine +Docker \d+.*API/);
      expect(output).toMatch(/FN_GRPC_SOCKET: .* is used by the running runner runner1/);
    });

    it('of a runner whose socket is wrong learns what to do', async () => {
      const { code, output } = await doctor({
        FN_NODE_TYPE: 'pure-runner',
        FN_PORT: '0',
        FN_GRPC_PORT: '0',
        DOCKER_HOST: 'unix:///nonexistent',
      });
      expect(code).toBe(2);
      expect(output).toMatch(/^fail +engine +cannot reach .*unix:\/\/\/nonexistent.*Start it.*DOCKER_HOST/m);
    });
  });

  it('learns of a runner that is gone: exit code 2, and which', async () => {
    await fleet.kill('runner2');
    const ill = await until({
      what: 'a status that says so',
      look: async () => {
        const status = await run('status');
        return status.code === 2 && /unreachable/.test(status.output) ? status : undefined;
      },
    });
    expect(ill.output).toMatch(new RegExp(`! ${fleet.runnerAddresses[1]} is unreachable: .*ECONNREFUSED`));
    await fleet.revive('runner2');
  });
});
