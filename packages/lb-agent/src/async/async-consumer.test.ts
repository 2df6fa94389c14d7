import { type Call, Deferred, FakeClock, FnError, silentLogger } from '@fnfleet/core';
import type { Delivery, LeaseLost } from '@fnfleet/queue';
import { CONSUMED, consumerAgent } from '../test-kit/queued-calls.js';
import { AsyncConsumer } from './async-consumer.js';

/** A queue with one call, which records what it is told. */
class OneCall {
  readonly told: string[] = [];
  asked = 0;
  /** Ends the wait of a reservation: there is no other call. */
  answer: () => void = () => undefined;
  restMs: number | undefined;
  extension: { kind: 'extended' } | LeaseLost | Error = { kind: 'extended' };
  taken = 0;
  /** So many reservations are answered at once, without a call. */
  empty = 0;
  /** Calls that a reservation returns although nobody has asked for them. */
  more = 0;
  private next: string | undefined = 'c';

  async reserve(_request: object, signal?: AbortSignal): Promise<readonly Delivery[]> {
    this.asked += 1;
    if (this.empty > 0) {
      this.empty -= 1;
      return [];
    }
    if (this.taken > 0) {
      await new Promise<void>((resolve) => {
        this.answer = resolve;
        signal?.addEventListener('abort', () => resolve());
      });
    }
    const { next } = this;
    this.next = undefined;
    if (next === undefined) return [];
    this.taken += 1;
    const lease = { callId: next, token: 't' };
    const delivery = {
      lease,
      fnId: 'f',
      attempt: 2,
      priority: 0 as const,
      ageMs: 0,
      head: '{}',
      body: Buffer.from('cat'),
    };
    return Array.from({ length: 1 + this.more }, () => delivery);
  }

  answerWith(callId: string): void {
    this.next = callId;
    this.answer();
  }

  async extend(): Promise<{ kind: 'extended' } | LeaseLost> {
    this.told.push('extend');
    if (this.extension instanceof Error) throw this.extension;
    return this.extension;
  }

  complete = this.note('complete', { kind: 'completed' } as const);
  readonly retry = this.note('retry', { kind: 'retried', delayMs: 0 } as const);
  async giveBack(_lease: object, restMs?: number): Promise<{ kind: 'givenBack' }> {
    this.told.push('giveBack');
    this.restMs = restMs;
    return { kind: 'givenBack' };
  }

  readonly bury = this.note('bury', { kind: 'dead', reason: { code: '', message: '' } } as const);

  private note<T>(what: string, answer: T): () => Promise<T> {
    return async () => {
      this.told.push(what);
      return answer;
    };
  }
}

let clock: FakeClock;
let queue: OneCall;
let started: Deferred<Call>;
let running: Deferred<void>;
let warnings: string[];
/** Sync calls that wait for a runner. */
let waiting: number;
let turnCalls: number | undefined;
/** For how long no call may start. */
let restMs: number;
/** How long it takes to look at the machine. */
let looking: Promise<void>;
let consumer: AsyncConsumer;

beforeEach(async () => {
  clock = new FakeClock();
  waiting = 0;
  turnCalls = undefined;
  restMs = 0;
  looking = Promise.resolve();
  queue = new OneCall();
  started = new Deferred();
  running = new Deferred();
  warnings = [];
  const agent = consumerAgent(
    ({ model }) => {
      started.resolve(model);
      return running.promise;
    },
    () => waiting,
  );
  consumer = new AsyncConsumer({
    agent,
    lookup: { byId: async () => CONSUMED },
    queues: { sources: () => [queue] },
    pace: {
      room: async (running) => {
        await looking;
        return restMs > 0 ? 0 : 2 - running;
      },
      free: (running) => (restMs > 0 ? 0 : 2 - running),
      isOpen: true,
      get turnCalls() {
        return turnCalls;
      },
      start: () => undefined,
      end: () => undefined,
      restMs: () => restMs,
    },
    ...{ limit: 2, holder: 'lb', clock, logger: { ...silentLogger, warn: (text) => warnings.push(text) } },
  });
  expect((await started.promise).headers).toEqual({ 'Fn-Attempt': ['2'] });
});

async function finished(): Promise<readonly string[]> {
  running.resolve();
  consumer.stop();
  await consumer.whenIdle(Number.POSITIVE_INFINITY);
  return queue.told;
}

it('renews the lease while a call runs, and not after it has ended', async () => {
  await clock.advance(9_999);
  expect(queue.told).toEqual([]);
  await clock.advance(1);
  await clock.advance(10_000);
  await clock.advance(10_000);
  expect(await finished()).toEqual(['extend', 'extend', 'extend', 'complete']);
  await clock.advance(60_000);
  expect(queue.told).toHaveLength(4);
  expect(warnings).toEqual([]);
});

it('goes on renewing after a renewal has failed', async () => {
  queue.extension = new FnError('queueUnavailable');
  await clock.advance(10_000);
  queue.extension = { kind: 'extended' };
  await clock.advance(10_000);
  expect(await finished()).toEqual(['extend', 'extend', 'complete']);
  expect(warnings).toEqual(['the lease of an asynchronous call could not be renewed']);
});

it('lets a call run on whose lease is lost, and says so once', async () => {
  queue.extension = { kind: 'leaseLost', because: 'expired' };
  await clock.advance(10_000);
  await clock.advance(60_000);
  expect(await finished()).toEqual(['extend', 'complete']);
  expect(warnings).toEqual(['the lease of an asynchronous call is lost while it runs']);
});

it('says nothing of a call that was cancelled while it runs: somebody has wanted that', async () => {
  const lost = { kind: 'leaseLost', because: 'cancelled' } as const;
  queue.extension = lost;
  queue.complete = async () => {
    queue.told.push('complete');
    return lost as never;
  };
  await clock.advance(10_000);
  expect(await finished()).toEqual(['extend', 'complete']);
  expect(warnings).toEqual([]);
});

it('takes no more calls while the ends of twice as many as may run, and 384 more, are not confirmed', async () => {
  const confirmed = new Deferred<void>();
  const complete = queue.complete;
  queue.complete = async () => {
    await confirmed.promise;
    return complete();
  };
  running.resolve();
  for (let n = 0; n < 400; n += 1) {
    queue.answerWith(`more${n}`);
    await someTurns();
  }
  expect(queue.taken).toBe(388);
  confirmed.resolve();
  await someTurns();
  queue.answerWith('last');
  await someTurns();
  expect(queue.taken).toBeGreaterThan(388);
  await finished();
});

it('gives back what comes late, when sync calls wait by then', async () => {
  await clock.advance(1_000);
  waiting = 1;
  queue.answerWith('late');
  await someTurns();
  expect(queue.told).toEqual(['giveBack']);
  expect(queue.restMs).toBeUndefined();
  const asked = queue.asked;
  await clock.advance(1_000);
  expect(queue.asked).toBe(asked);
  waiting = 0;
  await clock.advance(100);
  expect(queue.asked).toBeGreaterThan(asked);
  expect(await finished()).toEqual(['giveBack', 'complete']);
});

it('keeps what comes late for a turn while asynchronous calls are held back for a moment, and gives it back after 250 ms', async () => {
  turnCalls = 2;
  queue.answer();
  await clock.advance(250);
  await someTurns();
  restMs = 50;
  queue.answerWith('late');
  await someTurns();
  expect([queue.taken, queue.told.length]).toEqual([2, 0]);
  restMs = 0;
  running.resolve();
  await clock.advance(50);
  await someTurns();
  expect(queue.told).toEqual(['complete', 'complete']);
  await clock.advance(250);
  restMs = 1_000;
  queue.answerWith('later');
  await someTurns();
  expect(queue.told).toHaveLength(2);
  await clock.advance(250);
  expect(queue.told).toEqual(['complete', 'complete', 'giveBack']);
  restMs = 0;
  await finished();
});

it('pauses when a queue answers without waiting for a call, as one does that is closed or whose node drains', async () => {
  queue.empty = 1_000;
  queue.answer();
  await someTurns();
  const { asked } = queue;
  expect(queue.empty).toBeGreaterThan(990);
  await clock.advance(1_000);
  expect(queue.asked - asked).toBeLessThan(10);
  queue.empty = 0;
  await clock.advance(1_000);
  queue.answerWith('next');
  await someTurns();
  expect(queue.taken).toBe(2);
  expect(await finished()).toEqual(['complete', 'complete']);
});

it('gives back calls for which it has not asked', async () => {
  queue.more = 3;
  queue.answerWith('next');
  await someTurns();
  // One runs and one more was wanted.
  expect(queue.told).toEqual(['giveBack', 'giveBack', 'giveBack']);
  expect((await finished()).filter((what) => what === 'complete')).toHaveLength(2);
});

it('waits for the calls that run when it stops, and takes no others', async () => {
  consumer.stop();
  const idle = consumer.whenIdle(Number.POSITIVE_INFINITY);
  expect(queue.told).toEqual([]);
  running.reject(new FnError('internal'));
  await idle;
  expect(queue.told).toEqual(['retry']);
});

it('asks for no call when it is stopped while it looks at the machine', async () => {
  const looked = new Deferred<void>();
  looking = looked.promise;
  queue.answer();
  await someTurns();
  const { asked } = queue;
  consumer.stop();
  looked.resolve();
  running.resolve();
  await consumer.whenIdle(Number.POSITIVE_INFINITY);
  expect(queue.asked).toBe(asked);
});

async function someTurns(): Promise<void> {
  for (let turns = 0; turns < 20; turns += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe('a call is given back', () => {
  /** The consumer may run two calls, and has asked for a second one while the first one runs. */
  async function endsBy(error: FnError): Promise<void> {
    running.reject(error);
    await someTurns();
    expect(queue.told).toEqual(['giveBack']);
  }

  it.each(['serverBusy', 'appOverShare'] as const)('after %s: its function pauses, and others go on', async (code) => {
    await endsBy(new FnError(code));
    expect(queue.restMs).toBe(1_000);
    const asked = queue.asked;
    queue.answer();
    await someTurns();
    await clock.advance(250);
    expect(queue.asked).toBeGreaterThan(asked);
    await finished();
  });

  it.each(['runnersUnknown', 'lookupUnavailable'] as const)('after %s: all pause', async (code) => {
    await endsBy(new FnError(code));
    expect(queue.restMs).toBeUndefined();
    const asked = queue.asked;
    queue.answer();
    await someTurns();
    expect(queue.asked).toBe(asked);
    await clock.advance(1_000);
    expect(queue.asked).toBeGreaterThan(asked);
    await finished();
  });
});
