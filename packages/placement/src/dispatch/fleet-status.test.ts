import { FakeClock, RecordedMetrics } from '@fnfleet/core';
import { FakeRunner } from '../fake-runner.js';
import type { Runner, RunnerPool } from '../runner.js';
import { Dispatcher } from './dispatcher.js';

const metrics = RecordedMetrics.install();

class ChangingPool implements RunnerPool {
  onChange: (() => void) | undefined;

  constructor(private list: readonly Runner[]) {}

  runners() {
    return { runners: this.list };
  }

  members() {
    return this.list;
  }

  change(list: readonly Runner[]): void {
    this.list = list;
    this.onChange?.();
  }

  async close() {}
}

it('follows the pool, also when it becomes empty, and so do the metrics', () => {
  const pool = new ChangingPool([new FakeRunner('r1'), new FakeRunner('r2')]);
  const dispatcher = new Dispatcher({
    pool,
    placer: { order: (_call, { candidates }) => candidates },
    clock: new FakeClock(),
    timing: { placerTimeoutMs: 1000, detachedPlacerTimeoutMs: 1000, retryAllDelayMs: 10 },
    limits: { maxCalls: 10, maxBytes: 1000 },
    health: { probeMs: 0 },
    random: () => 0.5,
  });
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
