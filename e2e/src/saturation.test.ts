import { ScriptedBalancer } from '@fnfleet/testing';
import { Fleet } from './harness/fleet.js';
import { invoke } from './harness/invoke.js';

jest.setTimeout(120_000);

const MIB = 1024 * 1024;
const ROOM = 4;
const CALLS = 10;
/** So long that a refusal that waits for the end of a call differs from one that does not, however busy the machine is. */
const SLEEP_MS = 1_500;

/** What the recording `capacity-nack` shows of Fn: 175 engagements for ten calls, and a refusal that took 600 ms. */
describe('a runner with room for four that does not let calls wait', () => {
  let fleet: Fleet;
  let runner: ScriptedBalancer;

  beforeAll(async () => {
    fleet = await Fleet.start({
      settings: { FN_MAX_TOTAL_MEMORY_BYTES: `${ROOM * 128 * MIB}`, FN_ENABLE_NB_RESOURCE_TRACKER: '1' },
    });
    runner = new ScriptedBalancer(fleet.runnerAddresses[0] ?? '');
  });

  afterAll(async () => {
    runner.close();
    expect(await fleet.stop()).toEqual([]);
  });

  it('protocol 44, 85: ten calls at once: all are answered, hardly one is offered in vain, and a refusal waits for no call', async () => {
    const url = await fleet.deployed({ name: 'sleeper', memory: 128 });
    // The code on the way is compiled, and the balancer has heard of the runner.
    for (let i = 0; i < 20; i += 1) await invoke(url);
    const before = await received();
    const answers = await Promise.all(
      Array.from({ length: CALLS }, () => invoke(url, { knobs: { sleepMs: SLEEP_MS } })),
    );
    const engagements = (await received()) - before;
    const refusals = await fleet.metric('fn_lb_placer_refusal_latency_count');
    const [quick, withoutWaiting] = await Promise.all(['50', '1000'].map(refusedWithin));

    expect(answers.map(({ status }) => status)).toEqual(Array(CALLS).fill(200));
    process.stdout.write(
      `saturation: ${CALLS} calls took ${engagements} engagements; ${quick} of ${refusals} refusals within 50 ms\n`,
    );
    expect(engagements / CALLS).toBeLessThanOrEqual(1.5);
    // 50 ms on a quiet machine; here other tests start containers on the same cores.
    expect(withoutWaiting).toBe(refusals);
  });

  function refusedWithin(ms: string): Promise<number> {
    return fleet.metric(`fn_lb_placer_refusal_latency_bucket\\{.*le="${ms}".*\\}`);
  }

  async function received(): Promise<number> {
    return Number((await runner.unary('Status'))?.requestsReceived ?? 0);
  }
});
