import { FakeClock, silentLogger } from '@fnfleet/core';
import { HealthState } from '../driver-health.js';
import { removeContainer } from './container-removal.js';
import type { Engine } from './engine.js';
import { EngineError } from './engine-errors.js';

const GONE = new EngineError(404, 'No such container');
const BUSY = new EngineError(500, 'device or resource busy');

describe('removing a container', () => {
  const clock = new FakeClock();
  const abandon = new AbortController();
  let health: HealthState;
  let answer: Error | undefined;
  let running: boolean;
  let exited: boolean;
  let attempts: number;
  let done: boolean;

  beforeEach(() => {
    health = new HealthState();
    answer = BUSY;
    running = true;
    exited = false;
    attempts = 0;
    done = false;
  });

  afterEach(async () => {
    answer = undefined;
    health.recover();
    await clock.advance(10_000);
    expect([done, clock.pendingTimers]).toEqual([true, 0]);
  });

  function remove({ made = 'yes' as 'yes' | 'unknown', signal = abandon.signal } = {}): void {
    const engine: Pick<Engine, 'removeContainer' | 'inspectContainer'> = {
      removeContainer: async () => {
        attempts += 1;
        if (answer) throw answer;
      },
      inspectContainer: async () => ({ running, outOfMemory: false, pid: 0 }),
    };
    const removal = { id: 'c', made, hasExited: () => exited, health, clock, logger: silentLogger, abandon: signal };
    void removeContainer({ ...removal, engine: engine as Engine }).then(() => {
      done = true;
    });
  }

  it('ends when there is no such container', async () => {
    answer = GONE;
    remove();
    await clock.advance(0);
    expect([attempts, done]).toEqual([1, true]);
  });

  it('continues as long as the container may run, however often it fails, because its memory is in use', async () => {
    remove();
    await clock.advance(3_600_000);
    expect(attempts).toBeGreaterThan(300);
    expect(done).toBe(false);
  });

  it.each(['the runner saw it exit', 'the engine reports it'])(
    'is left to the reaper when the container has exited: %s',
    async (how) => {
      exited = how === 'the runner saw it exit';
      running = !exited && how !== 'the engine reports it';
      remove();
      await clock.advance(60_000);
      expect([attempts, done]).toEqual([10, true]);
    },
  );

  it('waits for a creation that was given up to take effect', async () => {
    answer = GONE;
    remove({ made: 'unknown' });
    await clock.advance(5_000);
    expect(done).toBe(false);
    answer = undefined;
    await clock.advance(10_000);
    expect(done).toBe(true);
  });

  it('sends nothing to a degraded engine, and continues as soon as it recovers', async () => {
    health.degrade('hangs');
    answer = new Error('connect ECONNREFUSED');
    remove();
    await clock.advance(3_600_000);
    expect(attempts).toBe(1);
    answer = undefined;
    health.recover();
    await clock.advance(0);
    expect([attempts, done]).toEqual([2, true]);
  });

  it.each(['ok', 'degraded'] as const)('stops when the runner stops, while the engine is %s', async (state) => {
    const ends = new AbortController();
    if (state === 'degraded') health.degrade('hangs');
    remove({ signal: ends.signal });
    await clock.advance(50);
    ends.abort();
    await clock.advance(0);
    expect([attempts, done]).toEqual([2, true]);
  });
});
