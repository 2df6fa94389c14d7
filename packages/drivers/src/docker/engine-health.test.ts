import { Deferred, FakeClock } from '@fnfleet/core';
import { EngineTimeoutError } from './engine-errors.js';
import { EngineHealth } from './engine-health.js';

const TIMEOUT = new EngineTimeoutError('start_container', 30_000);
const NOBODY = new Error('connect ECONNREFUSED');

describe('the health of an engine', () => {
  let clock: FakeClock;
  let health: EngineHealth;
  let answers: boolean;
  let probes: number;
  const changes: string[] = [];

  beforeEach(() => {
    clock = new FakeClock();
    answers = true;
    probes = 0;
    changes.length = 0;
    health = new EngineHealth({
      address: 'unix:///d.sock',
      ping: async () => {
        probes += 1;
        if (!answers) throw NOBODY;
      },
      intervalMs: 5_000,
      clock,
    });
    health.onChange(({ state }) => changes.push(state));
    health.start();
  });

  afterEach(() => {
    health.close();
    expect(clock.pendingTimers).toBe(0);
  });

  it('is probed at intervals, and is ok as long as the engine answers', async () => {
    await clock.advance(20_000);
    expect(probes).toBe(4);
    expect(changes).toEqual([]);
  });

  it('is degraded after two unanswered probes, and ok again with the first answer', async () => {
    answers = false;
    await clock.advance(5_000);
    expect(health.now.state).toBe('ok');
    await clock.advance(500);
    expect(health.now).toEqual({
      state: 'degraded',
      reason: 'the Docker engine at unix:///d.sock cannot be used: connect ECONNREFUSED',
      since: clock.wallNow(),
    });
    await clock.advance(60_000);
    answers = true;
    await clock.advance(500);
    expect(health.now).toEqual({ state: 'ok', since: clock.wallNow() });
    expect(changes).toEqual(['degraded', 'ok']);
  });

  it('one lost probe changes nothing', async () => {
    answers = false;
    await clock.advance(5_000);
    answers = true;
    await clock.advance(10_000);
    expect(changes).toEqual([]);
  });

  it('a request that cannot connect triggers a probe at once', async () => {
    answers = false;
    health.unanswered('query', NOBODY);
    await clock.advance(500);
    expect(changes).toEqual(['degraded']);
    health.unanswered('removal', NOBODY);
    await clock.advance(0);
    expect(probes).toBe(2);
  });

  it('an engine that answers probes but completes nothing is left alone, then tried again', async () => {
    for (let i = 0; i < 3; i += 1) health.unanswered('change', TIMEOUT);
    expect(health.now.reason).toMatch('did not answer start_container within 30000 ms');
    await clock.advance(29_000);
    expect(changes).toEqual(['degraded']);
    await clock.advance(1_000);
    expect(changes).toEqual(['degraded', 'ok']);
    health.unanswered('change', TIMEOUT);
    expect(changes).toEqual(['degraded', 'ok', 'degraded']);
    await clock.advance(30_000);
    health.answered('change');
    health.unanswered('change', TIMEOUT);
    expect(health.now.state).toBe('ok');
  });

  it('ends during a probe', async () => {
    const late = new Deferred<void>();
    const other = new EngineHealth({ address: '', ping: () => late.promise, intervalMs: 100, clock });
    other.start();
    await clock.advance(100);
    other.unanswered('query', NOBODY);
    other.close();
    late.resolve();
    await clock.advance(0);
  });
});
