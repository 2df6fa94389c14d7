import { count, Deferred, FakeClock, RecordedMetrics } from '@fnfleet/core';
import { HealthState } from '../driver-health.js';
import { StatsSampler } from './stats-sampler.js';

const metrics = RecordedMetrics.install();
count('calls', 0);

describe('statistics of containers', () => {
  let clock: FakeClock;
  let running: string[];
  let asked: string[];
  let health: HealthState;
  let sampler: StatsSampler;

  function begin(atOnce: number, hold?: Promise<void>): void {
    metrics.reset();
    clock = new FakeClock();
    asked = [];
    health = new HealthState();
    sampler = new StatsSampler({
      atOnce,
      running: () => running,
      stats: async (name) => {
        asked.push(name);
        await hold;
        if (name === 'gone') throw new Error('No such container');
        return { read: 'now', memory_stats: { usage: name.length } };
      },
      health,
      clock,
    });
    sampler.begin();
  }

  afterEach(async () => {
    sampler.end();
    await clock.advance(0);
    expect(clock.pendingTimers).toBe(0);
  });

  it('are sampled in turn, one running container per second', async () => {
    running = ['a', 'bb'];
    begin(1);
    await clock.advance(1_500);
    running = ['bb', 'gone', 'ccc'];
    await clock.advance(3_000);
    expect(asked).toEqual(['a', 'bb', 'bb', 'gone', 'ccc']);
    expect(metrics.values('docker_stats_mem_usage')).toEqual([1, 2, 2, 3]);
  });

  it('are sampled from several at once, and never from more', async () => {
    const hold = new Deferred<void>();
    running = ['a', 'b', 'c'];
    begin(2, hold.promise);
    await clock.advance(5_000);
    expect(asked).toEqual(['a', 'b']);
    hold.resolve();
    await clock.advance(0);
    expect(asked).toEqual(['a', 'b', 'c', 'a']);
  });

  it('are not sampled when disabled, when nothing runs, or while the engine is degraded', async () => {
    running = ['a'];
    begin(0);
    await clock.advance(5_000);
    expect(asked).toEqual([]);
    sampler.end();

    running = [];
    begin(1);
    await clock.advance(5_000);
    health.degrade('hangs');
    running = ['a'];
    await clock.advance(60_000);
    expect(asked).toEqual([]);
    health.recover();
    await clock.advance(0);
    expect(asked).toEqual(['a']);
  });
});
