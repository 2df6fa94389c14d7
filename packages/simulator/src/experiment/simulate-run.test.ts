// takes: 4 s
import { strategies } from '../strategies/index.js';
import { workloads } from '../workloads/index.js';
import { scenarios } from './scenario.js';
import { type RunPlan, simulateRun } from './simulate-run.js';

interface Parts {
  readonly placer?: string;
  readonly load?: number;
  readonly scenario?: string;
  readonly seed?: number;
  readonly balancers?: number;
  readonly memoryMb?: number;
  readonly calls?: number;
}

function planOf(parts: Parts): RunPlan {
  const { placer = 'warm-first', load = 0.4, scenario = 'steady', seed = 1, balancers = 1 } = parts;
  const { memoryMb = 4096, calls = 1500 } = parts;
  const runners = 10;
  return {
    fleet: { runners, memoryMb, keepAliveMs: 30_000, rttMs: 0.5, balancers },
    workload: workloads.get('azure').create({ seed, calls, runners, busyMb: load * runners * 4096, swing: 0 }),
    strategy: strategies.get(placer),
    scenario: scenarios.get(scenario),
    seed,
    timing: { placerTimeoutMs: 10_000, detachedPlacerTimeoutMs: 10_000, retryAllDelayMs: 10 },
    warmUp: 0.3,
  };
}

const simulate = (parts: Parts) => simulateRun(planOf(parts));

it.each(strategies.names)(
  '%s: the same seed gives the same outcome, to the last bit; another does not',
  async (placer) => {
    const first = await simulate({ placer });
    expect(await simulate({ placer })).toEqual(first);
    expect((await simulate({ placer, seed: 2 })).result).not.toEqual(first.result);
  },
);

it.each(scenarios.names)('%s: every call ends once, and leaves nothing on the fleet', async (scenario) => {
  for (const placer of ['warm-first', 'ch', 'prequal', 'fn-ch', 'openwhisk', 'hiku']) {
    const { left, result } = await simulate({ placer, scenario, balancers: 2 });
    expect({ placer, ...left }).toEqual({ placer, active: 0, busyMb: 0 });
    expect(result.calls).toBe(1050);
  }
});

it('calls are cut only by runners that crash', async () => {
  expect((await simulate({ scenario: 'kill', load: 0.9, calls: 3000 })).result.failed).toBeGreaterThan(0);
  expect((await simulate({ scenario: 'steady', load: 0.9, calls: 3000 })).result.failed).toBe(0);
});

it("a full fleet: Fn's sweep causes a storm of attempts, a queue with wake-ups does not", async () => {
  const sweep = (await simulate({ placer: 'fn-naive', load: 1.5, calls: 1000 })).result;
  const queue = (await simulate({ placer: 'warm-first', load: 1.5, calls: 1000 })).result;
  expect(sweep.engagementsPerCall).toBeGreaterThan(50);
  expect(queue.engagementsPerCall).toBeLessThan(5);
});

it('fails with a remedy when a function fits on no runner', async () => {
  await expect(simulate({ memoryMb: 64 })).rejects.toThrow(/needs \d+ MB, but a runner has 64 MB: increase --memory/);
});
