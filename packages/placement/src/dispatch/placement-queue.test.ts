import { CancelledError, FakeClock, RecordedMetrics, systemClock } from '@fnfleet/core';
import { resourceRequestOf } from '../fleet/capacity-estimate.js';
import type { RunnerState } from '../fleet/runner-state.js';
import { aCall, FleetFixture } from '../test-fixture.js';
import { DrainRate, PlacementQueue, WaitingCall } from './placement-queue.js';

const metrics = RecordedMetrics.install();
const LEFT_MS = 10_000;

let clock: FakeClock;
let queue: PlacementQueue;
/** How often the dispatcher was notified that calls are waiting. */
let begun: number;
let state: RunnerState;

function queueOf(limits: { maxCalls?: number; maxBytes?: number } = {}): void {
  queue = new PlacementQueue({ maxCalls: 100, maxBytes: 1_000, ...limits }, clock, () => {
    begun += 1;
  });
}

beforeEach(() => {
  metrics.reset();
  clock = new FakeClock();
  begun = 0;
  state = new FleetFixture(1).at(0);
  queueOf();
});
afterEach(() => {
  queue.lookAgain();
  expect([queue.size, metrics.sum('lb_queue_waiting')]).toEqual([0, 0]);
});

interface Waits {
  readonly appId?: string;
  readonly fnId?: string;
  readonly bytes?: number;
  readonly maxMs?: number;
  readonly leftMs?: number;
  readonly again?: boolean;
  readonly signal?: AbortSignal;
}

/** A waiting call, and what woke it: undefined while it waits. */
function waits(parts: Waits = {}) {
  const { appId = 'a', fnId = 'f', bytes = 0, maxMs = LEFT_MS, leftMs = LEFT_MS, again = false } = parts;
  const call = aCall({ appId, fnId });
  const waiting = new WaitingCall(call, resourceRequestOf(call), bytes);
  const woken = { waiting, how: undefined as string | undefined, error: undefined as unknown };
  const signal = parts.signal ?? new AbortController().signal;
  void queue.wait(waiting, signal, { maxMs, leftMs, again }).then((how) => {
    woken.how = how.kind;
    woken.error = how.kind === 'shed' ? how.error : undefined;
  });
  return woken;
}

const turn = () => clock.advance(0);
const anybody = () => true;

/** Calls leave the queue, one per interval. */
async function drain(calls: number, everyMs: number): Promise<void> {
  for (let i = 0; i < calls; i += 1) {
    waits({ appId: 'drained' });
    await clock.advance(everyMs);
    queue.offer(state, anybody);
  }
}

describe('a call waits', () => {
  it('until a runner has capacity, which counts it as offered', async () => {
    const one = waits();
    await clock.advance(30);
    expect([one.how, queue.size, begun]).toEqual([undefined, 1, 1]);
    expect(queue.offer(state, anybody)).toBe(true);
    await turn();
    expect([one.how, queue.size, state.inFlight]).toEqual(['room', 0, 1]);
    expect(metrics.values('lb_queue_wait_latency')).toEqual([30]);
    state.ended(one.waiting.request, { kind: 'refused', reason: 'busy', error: new Error() }, 0);
  });

  it.each`
    maxMs  | leftMs | how
    ${100} | ${101} | ${'look'}
    ${100} | ${100} | ${'over'}
  `('for $maxMs ms of the $leftMs it has left: then it is $how', async ({ maxMs, leftMs, how }) => {
    const one = waits({ maxMs, leftMs });
    await clock.advance(maxMs - 1);
    expect(one.how).toBeUndefined();
    await clock.advance(1);
    expect(one.how).toBe(how);
    expect(clock.pendingTimers).toBe(0);
  });

  it('and keeps its process alive meanwhile', async () => {
    queue = new PlacementQueue({ maxCalls: 1, maxBytes: 0 }, systemClock, () => undefined);
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    waits();
    expect(timers()).toBe(before + 1);
    queue.lookAgain();
    await new Promise(setImmediate);
    expect(timers()).toBe(before);
  });

  it('until its caller leaves', async () => {
    const caller = new AbortController();
    const one = waits({ signal: caller.signal });
    caller.abort(new CancelledError());
    await turn();
    expect([one.how, queue.size, clock.pendingTimers]).toEqual(['over', 0, 0]);
  });

  it('not at all if its caller has already left', async () => {
    const one = waits({ signal: AbortSignal.abort() });
    await turn();
    expect([one.how, queue.size]).toEqual(['over', 0]);
  });

  it('until it is told to check', async () => {
    const all = [waits({ fnId: 'f' }), waits({ fnId: 'f' }), waits({ fnId: 'g' }), waits({ appId: 'b', fnId: 'f' })];
    queue.wakeHeads();
    await turn();
    expect(all.map(({ how }) => how)).toEqual(['look', undefined, 'look', 'look']);
    queue.lookAgain();
    await turn();
    expect(all.map(({ how }) => how)).toEqual(Array(4).fill('look'));
  });

  it('and no other call is woken for it', async () => {
    waits();
    expect(queue.offer(state, () => false)).toBe(false);
    expect([queue.size, state.inFlight]).toEqual([1, 0]);
  });

  it('before later calls of its function, when it comes back', async () => {
    const order = [waits(), waits({ again: true })];
    queue.offer(state, anybody);
    await turn();
    expect(order.map(({ how }) => how)).toEqual([undefined, 'room']);
    expect(queue.hasWaiting(order[0]?.waiting as WaitingCall)).toBe(true);
  });

  it('and the dispatcher is notified whenever the first one begins to', async () => {
    waits();
    waits();
    queue.lookAgain();
    waits();
    expect(begun).toBe(2);
  });
});

describe('W1: a queue that is full', () => {
  it('in calls: of a single application the newest call is rejected, because the fleet is full', async () => {
    queueOf({ maxCalls: 2 });
    const all = [waits(), waits(), waits()];
    await turn();
    expect(all.map(({ how }) => how)).toEqual([undefined, undefined, 'shed']);
    expect(all[2]?.error).toMatchObject({ code: 'serverBusy', retryAfterSeconds: 15 });
    expect(metrics.sum('lb_queue_shed_count', { reason: 'full' })).toBe(1);
  });

  it('the application with most of the calls loses its newest to make room for another', async () => {
    queueOf({ maxCalls: 3 });
    const big = [waits(), waits(), waits()];
    const small = waits({ appId: 'small' });
    await turn();
    expect([...big.map(({ how }) => how), small.how]).toEqual([undefined, undefined, 'shed', undefined]);
    expect(big[2]?.error).toMatchObject({ code: 'appOverShare' });
    expect(metrics.sum('lb_queue_shed_count', { reason: 'share' })).toBe(1);
  });

  it('an application that is itself over its share is rejected, and told so', async () => {
    queueOf({ maxCalls: 4 });
    const all = [waits(), waits(), waits(), waits({ appId: 'b' })];
    const more = waits();
    await turn();
    expect(all.every(({ how }) => how === undefined)).toBe(true);
    expect([more.how, more.error]).toMatchObject(['shed', { code: 'appOverShare' }]);
  });

  it('an application that would reach just its share with the call makes room at the cost of the other', async () => {
    queueOf({ maxCalls: 4 });
    const others = [waits({ appId: 'b' }), waits({ appId: 'b' }), waits({ appId: 'b' })];
    const mine = [waits(), waits()];
    await turn();
    expect(others.map(({ how }) => how)).toEqual([undefined, undefined, 'shed']);
    expect(mine.map(({ how }) => how)).toEqual([undefined, undefined]);
  });

  it('in bytes: to the byte, and a call of any size can wait when no other does', async () => {
    queueOf({ maxBytes: 100 });
    const huge = waits({ bytes: 1_000 });
    await turn();
    expect(huge.how).toBeUndefined();
    queue.lookAgain();
    const all = [waits({ bytes: 60 }), waits({ bytes: 40 }), waits({ bytes: 1 })];
    await turn();
    expect(all.map(({ how }) => how)).toEqual([undefined, undefined, 'shed']);
    queue.lookAgain();
    await turn();
    const again = [waits({ bytes: 60 }), waits({ bytes: 40 })];
    await turn();
    expect(again.map(({ how }) => how)).toEqual([undefined, undefined]);
  });

  it('takes back a call that was in it before, whatever its limits', async () => {
    queueOf({ maxCalls: 1 });
    const all = [waits(), waits({ again: true })];
    await turn();
    expect(all.map(({ how }) => how)).toEqual([undefined, undefined]);
  });
});

describe('W2: when the drain rate is known', () => {
  it('a call whose turn comes in time waits, any other is rejected at once', async () => {
    await drain(200, 100);
    const before = Array.from({ length: 10 }, () => waits());
    const impatient = waits({ leftMs: 900 });
    const patient = waits({ leftMs: 1_300 });
    await turn();
    expect(before.every(({ how }) => how === undefined)).toBe(true);
    expect([impatient.how, patient.how]).toEqual(['shed', undefined]);
    expect(impatient.error).toMatchObject({ code: 'serverBusy', retryAfterSeconds: 1 });
    expect(metrics.sum('lb_queue_shed_count', { reason: 'deadline' })).toBe(1);
  });

  it('turns rotate between applications: one with few calls waits for few', async () => {
    await drain(200, 100);
    for (let i = 0; i < 50; i += 1) waits({ appId: 'big' });
    const small = waits({ appId: 'small', leftMs: 500 });
    await turn();
    expect(small.how).toBeUndefined();
  });

  it.each`
    waiting | seconds
    ${0}    | ${1}
    ${5}    | ${1}
    ${50}   | ${5}
    ${95}   | ${10}
  `('with $waiting calls waiting, Retry-After is $seconds s', async ({ waiting, seconds }) => {
    await drain(200, 100);
    for (let i = 0; i < waiting; i += 1) waits();
    expect(queue.fullError().retryAfterSeconds).toBe(seconds);
  });

  it('Retry-After is never more than two minutes', async () => {
    queueOf({ maxCalls: 10_000 });
    await drain(60, 500);
    for (let i = 0; i < 1_000; i += 1) waits({ maxMs: 1e9, leftMs: 1e9 });
    expect(queue.fullError().retryAfterSeconds).toBe(120);
  });

  it('while the drain rate is unknown, no call is rejected for it, and Retry-After is fifteen seconds', async () => {
    const one = waits({ leftMs: 1 });
    await turn();
    expect([one.how, queue.fullError().retryAfterSeconds]).toEqual([undefined, 15]);
  });
});

describe('the drain rate', () => {
  let clock: FakeClock;
  let rate: DrainRate;
  beforeEach(() => {
    clock = new FakeClock();
    rate = new DrainRate(clock);
  });

  /** Calls leave the queue, one per interval. */
  async function drain(calls: number, everyMs: number): Promise<void> {
    for (let i = 0; i < calls; i += 1) {
      await clock.advance(everyMs);
      rate.add();
    }
  }

  it('is unknown before the first call, and after only a few', async () => {
    expect(rate.perSecond).toBeUndefined();
    await drain(7, 1);
    expect(rate.perSecond).toBeUndefined();
  });

  it('is unknown after calls that all came at one instant', () => {
    for (let i = 0; i < 20; i += 1) rate.add();
    expect(rate.perSecond).toBeUndefined();
  });

  it.each([2, 10, 100])('of %i calls per second is measured', async (perSecond) => {
    await drain(20 * perSecond, 1000 / perSecond);
    const found = rate.perSecond ?? 0;
    expect(found / perSecond).toBeGreaterThan(0.9);
    expect(found / perSecond).toBeLessThan(1.15);
  });

  it('follows when the fleet becomes slower: after five seconds the old counts weigh less than half', async () => {
    await drain(1000, 10);
    await drain(50, 100);
    const found = rate.perSecond ?? 0;
    expect(found).toBeGreaterThan(30);
    expect(found).toBeLessThan(50);
  });

  it('falls while no call leaves the queue, until too little is known', async () => {
    await drain(100, 100);
    const before = rate.perSecond ?? 0;
    await clock.advance(5000);
    const after = rate.perSecond ?? 0;
    expect(after / before).toBeGreaterThan(0.35);
    expect(after / before).toBeLessThan(0.65);
    await clock.advance(30_000);
    expect(rate.perSecond).toBeUndefined();
  });

  it('after a long pause counts from the first call after it', async () => {
    await drain(100, 100);
    await clock.advance(120_000);
    await drain(50, 100);
    const found = rate.perSecond ?? 0;
    expect(found).toBeGreaterThan(9);
    expect(found).toBeLessThan(11.5);
  });
});
