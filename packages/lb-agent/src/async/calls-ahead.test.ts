import { Deferred, FakeClock, silentLogger } from '@fnfleet/core';
import type { Delivery, ReserveRequest } from '@fnfleet/queue';
import { CONSUMED, consumerAgent } from '../test-kit/queued-calls.js';
import { AsyncConsumer } from './async-consumer.js';
import { CallsAhead } from './calls-ahead.js';

let clock: FakeClock;

beforeEach(() => {
  clock = new FakeClock();
});

describe('calls that are leased before there is room for them', () => {
  let calls: CallsAhead<string, { fnId: string; id: number }>;
  const end = (fnId: string, count: number) => {
    for (let n = 0; n < count; n += 1) calls.ended(fnId);
  };

  beforeEach(() => {
    calls = new CallsAhead(clock);
  });

  it('are as many of each function as have ended in 25 ms, and none of one whose calls are slow', async () => {
    expect(calls.limit).toBe(0);
    end('quick', 20);
    end('slow', 1);
    expect(calls.missing()).toEqual(new Map(Object.entries({ quick: 20, slow: 1 })));
    await clock.advance(25);
    end('quick', 10);
    // In this stretch and in the last one.
    expect(calls.missing()).toEqual(new Map(Object.entries({ quick: 20, slow: 1 })));
    await clock.advance(25);
    expect(calls.missing()).toEqual(new Map(Object.entries({ quick: 10 })));
    await clock.advance(50);
    expect(calls.limit).toBe(0);
  });

  it('are 384 at most, shared among functions', () => {
    end('a', 600);
    end('b', 200);
    expect(calls.missing()).toEqual(new Map(Object.entries({ a: 288, b: 96 })));
    expect(calls.limit).toBe(384);
  });

  it('count against those that are missing until they start, the longest waiting first', async () => {
    end('a', 2);
    calls.add('queue', { fnId: 'b', id: 1 });
    calls.add('queue', { fnId: 'a', id: 2 });
    await clock.advance(1);
    calls.add('queue', { fnId: 'a', id: 3 });
    expect(calls.missing()).toEqual(new Map(Object.entries({ a: 0, b: -1 })));
    expect(calls.next((fnId) => fnId === 'a')?.delivery.id).toBe(2);
    expect(calls.next(() => false)).toBeUndefined();
    await clock.advance(9);
    expect(calls.olderThan(10).map(({ delivery }) => delivery.id)).toEqual([1]);
    expect(calls.missing()).toEqual(new Map(Object.entries({ a: 1 })));
    expect(calls.size).toBe(1);
  });
});

describe('a balancer with 16 consumers and a backlog', () => {
  let runs: Deferred<void>[];
  let asked: ReserveRequest[];
  let told: string[];
  /** Calls that wait for a runner, of clients. */
  let waiting: number;
  let isPaced: boolean;
  /** Of a turn. */
  let turnCalls: number | undefined;
  let resting: boolean;
  /** How long it takes to look at the machine. */
  let looking: Promise<void>;
  let leased: number;
  let consumer: AsyncConsumer;

  beforeEach(async () => {
    runs = [];
    asked = [];
    told = [];
    waiting = 0;
    isPaced = false;
    turnCalls = undefined;
    resting = false;
    looking = Promise.resolve();
    leased = 0;
    const note = (what: string) => async () => {
      told.push(what);
      return { kind: what } as never;
    };
    const source = {
      async reserve(request: ReserveRequest, signal?: AbortSignal): Promise<readonly Delivery[]> {
        asked.push(request);
        const { limit, perFunction = Number.POSITIVE_INFINITY, held, waitMs } = request;
        const count = Math.min(limit, perFunction - (held?.get('f') ?? 0));
        if (count <= 0) {
          if (waitMs !== 0) await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve()));
          return [];
        }
        return Array.from({ length: count }, () => {
          leased += 1;
          const lease = { callId: `c${leased}`, token: 't' };
          return { lease, fnId: 'f', attempt: 1, priority: 0, ageMs: 0, head: '{}', body: Buffer.alloc(0) };
        });
      },
      ...{ extend: note('extend'), complete: note('complete'), retry: note('retry') },
      ...{ giveBack: note('giveBack'), bury: note('bury') },
    };
    const agent = consumerAgent(
      () => {
        const run = new Deferred<void>();
        runs.push(run);
        return run.promise;
      },
      () => waiting,
    );
    const free = (running: number) => (resting ? 0 : isPaced ? 1 : 16) - running;
    const pace = {
      free,
      room: async (running: number) => {
        await looking;
        return free(running);
      },
      get isOpen() {
        return !isPaced;
      },
      get turnCalls() {
        return turnCalls;
      },
      start: () => undefined,
      end: () => undefined,
      restMs: () => 0,
    };
    consumer = new AsyncConsumer({
      ...{ agent, pace, lookup: { byId: async () => CONSUMED }, queues: { sources: () => [source] } },
      ...{ limit: 16, holder: 'lb', clock, logger: silentLogger },
    });
    await turns();
    // One function gets ten of them.
    expect(runs).toHaveLength(10);
  });

  afterEach(async () => {
    for (const run of runs) run.resolve();
    consumer.stop();
    await consumer.whenIdle(Number.POSITIVE_INFINITY);
    expect(clock.pendingTimers).toBe(0);
  });

  async function turns(): Promise<void> {
    for (let turn = 0; turn < 40; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Those that run end, and those that start instead. */
  async function runsEnd(count: number): Promise<void> {
    for (let n = 0; n < count; n += 1) {
      runs.shift()?.resolve();
      await turns();
    }
  }

  /** Leased, and neither running nor ended. */
  const ahead = () => leased - runs.length - told.filter((what) => what === 'complete').length;

  it('leases calls ahead while calls are quick, many in one request, and starts them as others end', async () => {
    await runsEnd(40);
    expect(runs).toHaveLength(10);
    expect(ahead()).toBeGreaterThan(10);
    const requests = asked.length;
    await runsEnd(100);
    expect(runs).toHaveLength(10);
    // 100 without calls that are leased ahead.
    expect(asked.length - requests).toBeLessThan(10);
    expect(told).not.toContain('giveBack');
  });

  it('gives back what it has leased ahead if that cannot start within 250 ms, and leases no more while calls are slow', async () => {
    await runsEnd(40);
    const held = ahead();
    expect(held).toBeGreaterThan(0);
    await clock.advance(249);
    expect(told).not.toContain('giveBack');
    await clock.advance(300);
    expect(told.filter((what) => what === 'giveBack')).toHaveLength(held);
    leased -= held;
    await turns();
    expect(ahead()).toBe(0);
    expect(runs).toHaveLength(10);
  });

  it('starts none of them while a call of a client waits for a runner', async () => {
    await runsEnd(40);
    waiting = 1;
    // What it knows of the fleet may be 100 ms old.
    await clock.advance(100);
    await runsEnd(5);
    expect(runs).toHaveLength(5);
    await clock.advance(250);
    expect(told).toContain('giveBack');
  });

  it('starts none of them while it is paced', async () => {
    await runsEnd(40);
    isPaced = true;
    await runsEnd(9);
    expect(runs).toHaveLength(1);
    const requests = asked.length;
    await runsEnd(1);
    expect(runs).toHaveLength(1);
    expect(asked).toHaveLength(requests);
  });

  describe('that runs them in turns', () => {
    const ended = () => told.filter((what) => what === 'complete').length;

    beforeEach(async () => {
      isPaced = true;
      turnCalls = 12;
      await runsEnd(9);
      told = [];
      asked = [];
      leased = runs.length;
      expect(runs).toHaveLength(1);
      await runsEnd(1);
    });

    it('leases the calls of a turn with one request, runs one after the other, and reports their ends when the last one has ended', async () => {
      expect(asked.map(({ limit }) => limit)).toEqual([12]);
      expect(runs).toHaveLength(1);
      await runsEnd(11);
      expect([runs.length, asked.length]).toEqual([1, 1]);
      // That of the call before the turn.
      expect(ended()).toBe(1);
      resting = true;
      await runsEnd(1);
      expect(ended()).toBe(13);
      expect(asked).toHaveLength(1);
    });

    it('reports the ends after 100 ms if the last call of the turn takes longer', async () => {
      await runsEnd(11);
      await clock.advance(99);
      expect(ended()).toBe(1);
      await clock.advance(1);
      await turns();
      expect(ended()).toBe(12);
      resting = true;
      await runsEnd(1);
      expect(ended()).toBe(13);
    });

    it('asks for no other call while those of a turn wait, and gives them back if they cannot start within 250 ms', async () => {
      await runsEnd(3);
      resting = true;
      await runsEnd(1);
      expect(runs).toHaveLength(0);
      await clock.advance(249);
      expect([asked.length, told.filter((what) => what === 'giveBack').length]).toEqual([1, 0]);
      await clock.advance(1);
      await turns();
      expect(told.filter((what) => what === 'giveBack')).toHaveLength(8);
      expect(ended()).toBe(5);
    });

    it('leases no other turn while those of one wait, also when their pause ends while it looks at the machine', async () => {
      await runsEnd(3);
      resting = true;
      const looked = new Deferred<void>();
      looking = looked.promise;
      await runsEnd(1);
      await clock.advance(100);
      resting = false;
      looked.resolve();
      await turns();
      expect(asked).toHaveLength(1);
      await clock.advance(100);
      await turns();
      expect(runs).toHaveLength(1);
      await runsEnd(7);
      expect([runs.length, asked.length]).toEqual([1, 1]);
    });

    it('reports the ends at once when it stops', async () => {
      await runsEnd(3);
      consumer.stop();
      await turns();
      expect(ended()).toBe(4);
    });
  });

  it('gives them back at once when it stops', async () => {
    await runsEnd(40);
    const held = ahead();
    consumer.stop();
    await turns();
    expect(told.filter((what) => what === 'giveBack')).toHaveLength(held);
  });
});
