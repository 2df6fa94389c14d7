import { FakeClock, Listeners, RecordedMetrics } from '@fnfleet/core';
import type { LoadReport, RunnerStatus } from '@fnfleet/protocol';
import { FakeRunner } from '../fake-runner.js';
import type { Runner, RunnerPool } from '../runner.js';
import { Dispatcher } from './dispatcher.js';
import type { DispatcherDeps } from './dispatcher-deps.js';

const metrics = RecordedMetrics.install();

class ChangingPool implements RunnerPool {
  readonly changes = new Listeners<[]>();

  constructor(private list: readonly Runner[]) {}

  subscribe(onChange: () => void): () => void {
    return this.changes.subscribe(onChange);
  }

  runners() {
    return { runners: this.list };
  }

  members() {
    return this.list;
  }

  change(list: readonly Runner[]): void {
    this.list = list;
    this.changes.emit();
  }

  async close() {}
}

function dispatcherOf(pool: RunnerPool, more: Partial<DispatcherDeps> = {}): Dispatcher {
  return new Dispatcher({
    pool,
    placer: { order: (_call, { candidates }) => candidates },
    clock: new FakeClock(),
    timing: { placerTimeoutMs: 1000, detachedPlacerTimeoutMs: 1000, retryAllDelayMs: 10 },
    limits: { maxCalls: 10, maxBytes: 1000 },
    health: { probeMs: 0 },
    random: () => 0.5,
    ...more,
  });
}

it('an operator who asks gets the current condition of all runners, although nobody probes them', async () => {
  const runners = ['r1', 'r2'].map(
    (address) => new TellingRunner(address, { instanceId: address, active: 3 } as LoadReport),
  );
  const dispatcher = dispatcherOf(new ChangingPool(runners));
  const seen = () => dispatcher.status().runners.map(({ address, load }) => [address, load?.active]);
  try {
    expect(seen()).toEqual([
      ['r1', undefined],
      ['r2', undefined],
    ]);
    await dispatcher.askRunners(1000);
    expect(seen()).toEqual([
      ['r1', 3],
      ['r2', 3],
    ]);
  } finally {
    dispatcher.close();
  }
});

it('a runner that is listed twice is reported once, and so is one that is added later', async () => {
  const troubles: string[] = [];
  const same = { instanceId: 'x' } as LoadReport;
  const [r1, r2, r3] = ['r1', 'r2', 'r3'].map((address) => new TellingRunner(address, same)) as [
    TellingRunner,
    TellingRunner,
    TellingRunner,
  ];
  const pool = new ChangingPool([r1, r2]);
  const dispatcher = dispatcherOf(pool, { onTrouble: (what) => troubles.push(what) });
  try {
    await dispatcher.askRunners(1000);
    await dispatcher.askRunners(1000);
    expect(troubles).toEqual([expect.stringContaining('r1 and r2 are the same runner')]);
    pool.change([r1, r3]);
    await dispatcher.askRunners(1000);
    expect(troubles.slice(1)).toEqual([expect.stringContaining('r1 and r3 are the same runner')]);
  } finally {
    dispatcher.close();
  }
});

/** Reports its load when probed. */
class TellingRunner extends FakeRunner {
  constructor(
    address: string,
    private readonly load: LoadReport,
  ) {
    super(address);
  }

  override async status(): Promise<RunnerStatus> {
    this.loads.emit(this.load, undefined);
    return { ...(await super.status()), load: this.load };
  }
}

it('follows the pool, also when it becomes empty, and so do the metrics', () => {
  const pool = new ChangingPool([new FakeRunner('r1'), new FakeRunner('r2')]);
  const dispatcher = dispatcherOf(pool);
  const seen = () => [
    dispatcher.status().runners.map(({ address }) => address),
    metrics.sum('lb_runners_by_state', { state: 'ok' }),
    metrics.sum('lb_runners_by_state', { state: 'cordoned' }),
  ];
  try {
    expect(seen()).toEqual([['r1', 'r2'], 2, 0]);
    dispatcher.setCordoned('r2', true);
    expect(seen()).toEqual([['r1', 'r2'], 1, 1]);
    pool.change([]);
    expect(seen()).toEqual([[], 0, 0]);
    pool.change([new FakeRunner('r3')]);
    expect(seen()).toEqual([['r3'], 1, 0]);
  } finally {
    dispatcher.close();
  }
});
