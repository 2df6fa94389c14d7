import { getEventListeners } from 'node:events';
import { CancelledError, FakeClock, FnError, Listeners, RecordedMetrics } from '@fnfleet/core';
import type { LoadReport, OutboundCall } from '@fnfleet/protocol';
import { FakeRunner, reportOf } from '../fake-runner.js';
import type { LoadListener, Runner, RunnerPool } from '../runner.js';
import { aCall } from '../test-fixture.js';
import { Dispatcher, type DispatcherDeps } from './dispatcher.js';
import type { PlacementOutcome } from './placement-task.js';

const metrics = RecordedMetrics.install();
const MB = 1024 * 1024;

let clock: FakeClock;
let dispatcher: Dispatcher;
beforeEach(() => {
  metrics.reset();
  clock = new FakeClock();
});
afterEach(() => {
  expect(dispatcher.waiting).toBe(0);
  expect(dispatcher.fleet.inFlight).toBe(0);
  expect(metrics.sum('lb_queue_waiting')).toBe(0);
  dispatcher.close();
  expect(clock.pendingTimers).toBe(0);
});

describe('a fleet that is full', () => {
  it('protocol 44: ten calls of 400 ms with capacity for four: hardly any wasted attempts', async () => {
    const runner = new SlotRunner('r1', 4, { tells: true });
    begin([runner]);
    runner.tellStatus();
    const calls = Array.from({ length: 10 }, () => place());
    await clock.advance(2000);
    expect(await kinds(calls)).toEqual(Array(10).fill('finished'));
    expect(runner.offers).toBeLessThanOrEqual(15);
  });

  it('about which nothing is known is learned with the first burst', async () => {
    const runner = new SlotRunner('r1', 4);
    begin([runner]);
    const calls = Array.from({ length: 30 }, () => place());
    await clock.advance(6000);
    expect(await kinds(calls)).toEqual(Array(30).fill('finished'));
    // All thirty at first; then one for each end, and an attempt now and then.
    expect(runner.offers).toBeLessThan(30 + 26 + 45);
  });

  it('serves calls of one function in order of arrival', async () => {
    const runner = new SlotRunner('r1', 1, { tells: true });
    begin([runner]);
    const order: number[] = [];
    const calls = Array.from({ length: 5 }, (_, i) => place().then(() => order.push(i)));
    await clock.advance(4000);
    await Promise.all(calls);
    expect(order).toEqual([0, 1, 2, 3, 4]);
  });

  it('a free container goes to a call of its function, out of turn, but not indefinitely', async () => {
    const runner = new SlotRunner('r1', 1, { tells: true });
    begin([runner]);
    const order: string[] = [];
    const calls = [
      ...Array.from({ length: 12 }, () => place({ appId: 'a', fnId: 'f' }).then(() => order.push('f'))),
      place({ appId: 'b', fnId: 'g' }).then(() => order.push('g')),
    ];
    await clock.advance(10_000);
    await Promise.all(calls);
    // One was taken before any call waited.
    expect(order.indexOf('g')).toBeGreaterThan(4);
    expect(order.indexOf('g')).toBeLessThan(11);
  });

  it('a small application gets its turn while a big one has a hundred calls waiting', async () => {
    const runner = new SlotRunner('r1', 1, { tells: true });
    begin([runner]);
    const big = Array.from({ length: 100 }, () => place({ appId: 'big', fnId: 'f' }));
    await clock.advance(10);
    const small = ending(place({ appId: 'small', fnId: 'g' }));
    await clock.advance(5000);
    expect(small.value).toMatchObject({ kind: 'finished' });
    await clock.advance(60_000);
    await Promise.all(big);
  });

  it('a new runner is used at once', async () => {
    const pool = new ListPool([new SlotRunner('r1', 1, { tells: true })]);
    begin(pool);
    const calls = [place(), place(), place()];
    await clock.advance(10);
    const newcomer = new SlotRunner('r2', 2);
    pool.change([...pool.list, newcomer]);
    await clock.advance(1);
    expect(newcomer.offers).toBe(2);
    await clock.advance(1000);
    await Promise.all(calls);
  });

  it('a call that is still waiting when its placement time is over gets Retry-After', async () => {
    begin([new SlotRunner('r1', 1)], { placerTimeoutMs: 100 });
    const first = place();
    const late = place();
    await clock.advance(100);
    expect(await late).toMatchObject({ kind: 'unplaced', error: { code: 'serverBusy', retryAfterSeconds: 15 } });
    await clock.advance(1000);
    await first;
  });

  it('a placed call has no listener of the search left on its signal, however long it runs', async () => {
    const full = new SlotRunner('r1', 1);
    const pool = new ListPool([full]);
    begin({ runners: async () => pool.runners(), close: async () => undefined });
    const first = place();
    await clock.advance(5);
    const caller = new AbortController();
    const second = dispatcher.place(aCall(), caller.signal);
    await clock.advance(5);
    expect(dispatcher.waiting).toBe(1);
    expect(getEventListeners(caller.signal, 'abort').length).toBe(1);
    // A pool that answers later is checked once a second.
    await clock.advance(1100);
    expect([full.running, dispatcher.waiting]).toEqual([1, 0]);
    expect(getEventListeners(caller.signal, 'abort').length).toBe(0);
    await clock.advance(1000);
    expect(await kinds([first, second])).toEqual(['finished', 'finished']);
  });

  it('two functions that were refused are each tried again when their own pause is over', async () => {
    const times: [string, number][] = [];
    const began = clock.now();
    const refusing = new FakeRunner('r1').does(async ({ model }) => {
      times.push([model.fnId, clock.now() - began]);
      return { kind: 'refused', reason: 'busy', error: new FnError('serverBusy') };
    });
    begin([refusing], { placerTimeoutMs: 900 });
    const long = place({ fnId: 'long' });
    await clock.advance(300);
    const short = place({ fnId: 'short' });
    await clock.advance(600);
    const asked = (fnId: string) => times.filter(([name]) => name === fnId).map(([, ms]) => ms);
    // Pauses of 15, 30, 60, 120, 240, 480 ms.
    expect(asked('long')).toEqual([0, 15, 45, 105, 225, 465]);
    expect(asked('short')).toEqual([300, 315, 345, 405, 525, 765]);
    await clock.advance(1000);
    expect(await kinds([long, short])).toEqual(['unplaced', 'unplaced']);
  });

  it('a caller that leaves while it waits leaves nothing behind', async () => {
    begin([new SlotRunner('r1', 1)]);
    const first = place();
    const caller = new AbortController();
    const gone = dispatcher.place(aCall(), caller.signal);
    await clock.advance(5);
    expect(dispatcher.waiting).toBe(1);
    caller.abort(new CancelledError());
    expect(await gone).toMatchObject({ kind: 'unplaced', error: { name: 'CancelledError' } });
    await clock.advance(1000);
    await first;
  });
});

describe('a queue that is full', () => {
  it('rejects the newest call of the application that has most, not the arriving one', async () => {
    begin([new SlotRunner('r1', 1, { tells: true })], {}, { maxCalls: 3, maxBytes: MB });
    const running = place({ appId: 'big', fnId: 'f' });
    await clock.advance(1);
    const big = Array.from({ length: 3 }, () => ending(place({ appId: 'big', fnId: 'f' })));
    await clock.advance(1);
    const small = place({ appId: 'small', fnId: 'g' });
    await clock.advance(1);
    expect(big.map(({ value }) => value?.kind)).toEqual([undefined, undefined, 'unplaced']);
    expect(big[2]?.value).toMatchObject({ error: { code: 'appOverShare', status: 429 } });
    await clock.advance(5000);
    expect((await small).kind).toBe('finished');
    await running;
  });

  it('with calls of a single application means that the fleet is full', async () => {
    begin([new SlotRunner('r1', 1, { tells: true })], {}, { maxCalls: 1, maxBytes: MB });
    const calls = [place(), place()];
    await clock.advance(1);
    expect(await place()).toMatchObject({ kind: 'unplaced', error: { code: 'serverBusy', status: 503 } });
    await clock.advance(2000);
    await Promise.all(calls);
  });

  it('is also full in bytes', async () => {
    begin([new SlotRunner('r1', 1, { tells: true })], {}, { maxCalls: 100, maxBytes: 1000 });
    const calls = [place(), place({}, 600)];
    await clock.advance(1);
    expect(await place({}, 600)).toMatchObject({ kind: 'unplaced', error: { code: 'serverBusy' } });
    await clock.advance(2000);
    await Promise.all(calls);
  });

  it('has its bytes back when its calls have left, however they left', async () => {
    begin([new SlotRunner('r1', 1, { tells: true })], {}, { maxCalls: 100, maxBytes: 1000 });
    for (let round = 0; round < 3; round += 1) {
      const running = place();
      await clock.advance(1);
      const caller = new AbortController();
      const leaving = dispatcher.place(withBytes(500), caller.signal);
      const waiting = place({}, 500);
      await clock.advance(1);
      expect(dispatcher.waiting).toBe(2);
      expect([round, await place({}, 1)]).toMatchObject([round, { error: { code: 'serverBusy' } }]);
      caller.abort(new CancelledError());
      await leaving;
      await clock.advance(2000);
      expect([round, await kinds([running, waiting])]).toEqual([round, ['finished', 'finished']]);
    }
  });

  it('has the bytes back of a call that was shed for another application', async () => {
    begin([new SlotRunner('r1', 1, { tells: true })], {}, { maxCalls: 100, maxBytes: 1000 });
    const running = place({ appId: 'big', fnId: 'f' });
    await clock.advance(1);
    const big = Array.from({ length: 2 }, () => ending(place({ appId: 'big', fnId: 'f' }, 500)));
    await clock.advance(1);
    const small = place({ appId: 'small', fnId: 'g' }, 500);
    await clock.advance(1);
    expect(big.map(({ value }) => value?.kind)).toEqual([undefined, 'unplaced']);
    await clock.advance(3000);
    expect(await kinds([running, small])).toEqual(['finished', 'finished']);
    const again = place();
    await clock.advance(1);
    const full = [place({}, 500), place({}, 500)];
    await clock.advance(1);
    expect(dispatcher.waiting).toBe(2);
    await clock.advance(3000);
    expect(await kinds([again, ...full])).toEqual(['finished', 'finished', 'finished']);
  });

  it('sheds a call at once whose turn cannot come in time, with the time that it would take', async () => {
    begin([new SlotRunner('r1', 1, { tells: true })], { placerTimeoutMs: 20_000 }, { maxCalls: 1000, maxBytes: MB });
    // One call per 400 ms: 2.5 a second, 50 in the placement time.
    const calls = Array.from({ length: 45 }, () => ending(place()));
    await clock.advance(8000);
    const more = Array.from({ length: 40 }, () => ending(place()));
    await clock.advance(1);
    const shed = more.filter(({ value }) => value?.kind === 'unplaced');
    expect(shed.length).toBeGreaterThan(5);
    expect(shed.length).toBeLessThan(35);
    const seconds = shed.map(({ value }) =>
      value?.kind === 'unplaced' ? (value.error as FnError).retryAfterSeconds : 0,
    );
    expect(Math.min(...seconds.map(Number))).toBeGreaterThan(15);
    expect(Math.max(...seconds.map(Number))).toBeLessThan(35);
    await clock.advance(60_000);
    expect(calls.every(({ value }) => value !== undefined)).toBe(true);
  });
});

describe('a runner', () => {
  it('that drains gets no call, and its successor does', async () => {
    const leaving = new SlotRunner('r1', 4, { tells: true });
    begin([leaving, new SlotRunner('r2', 4, { tells: true })]);
    leaving.draining = true;
    leaving.tellStatus();
    const calls = [place(), place()];
    await clock.advance(500);
    await Promise.all(calls);
    expect(leaving.offers).toBe(0);
    leaving.beginAnew();
    leaving.tellStatus();
    const later = place();
    await clock.advance(500);
    expect((await later).kind).toBe('finished');
    expect(leaving.offers).toBe(1);
  });

  it('that cannot be reached is left alone for longer and longer', async () => {
    const gone = new FakeRunner('r1').refuses('unreachable', new Error('ECONNREFUSED'));
    begin([gone], { placerTimeoutMs: 10_000 });
    const placed = place();
    await clock.advance(10_000);
    expect((await placed).kind).toBe('unplaced');
    expect(gone.attempts).toBeLessThan(15);
  });

  it('that is closed is not tried again', async () => {
    const closed = new FakeRunner('r1').refuses('closed', new Error('Runner is closed'));
    begin([closed], { placerTimeoutMs: 1000 });
    const calls = [place(), place()];
    await clock.advance(1000);
    await Promise.all(calls);
    expect(closed.attempts).toBeLessThanOrEqual(2);
  });

  it('that rejects although it must not fails only this call, and counts as idle again', async () => {
    const broken = new FakeRunner('r1').does(() => Promise.reject(new Error('bug'))).finishes();
    begin([broken]);
    expect(await place()).toMatchObject({ kind: 'failed', error: new Error('bug') });
    expect((await place()).kind).toBe('finished');
  });
});

it('a placer that invents a runner fails the call and names the mistake', async () => {
  const stranger = { address: 'nowhere:1' };
  begin([new FakeRunner('r1').finishes()]);
  const wrong = new Dispatcher({ ...parts, placer: { order: () => [stranger] as never } });
  const placement = await wrong.place(aCall(), new AbortController().signal);
  wrong.close();
  expect(placement).toMatchObject({
    kind: 'unplaced',
    error: new Error('the placer chose nowhere:1, which is not among the candidates'),
  });
});

let parts: DispatcherDeps;

function begin(
  runners: readonly Runner[] | RunnerPool,
  timing: Partial<DispatcherDeps['timing']> = {},
  limits: DispatcherDeps['limits'] = { maxCalls: 1000, maxBytes: MB },
): void {
  const pool = 'runners' in runners ? runners : new ListPool(runners);
  parts = {
    pool,
    placer: { order: (_call, { candidates }) => candidates },
    clock,
    timing: { placerTimeoutMs: 100_000, detachedPlacerTimeoutMs: 1000, retryAllDelayMs: 10, ...timing },
    limits,
    health: { probeMs: 0 },
    random: () => 0.5,
  };
  dispatcher = new Dispatcher(parts);
  if (pool instanceof ListPool) dispatcher.fleet.snapshot(pool.list);
}

function place(call: Parameters<typeof aCall>[0] = {}, heldBytes = 0): Promise<PlacementOutcome> {
  return dispatcher.place(withBytes(heldBytes, call), new AbortController().signal);
}

function withBytes(heldBytes: number, call: Parameters<typeof aCall>[0] = {}): OutboundCall {
  const made = aCall(call);
  return { ...made, body: { ...made.body, heldBytes } };
}

async function kinds(calls: readonly Promise<PlacementOutcome>[]): Promise<string[]> {
  return (await Promise.all(calls)).map(({ kind }) => kind);
}

function ending<T>(promise: Promise<T>): { value: T | undefined } {
  const ended: { value: T | undefined } = { value: undefined };
  promise.then((value) => {
    ended.value = value;
  });
  return ended;
}

class ListPool implements RunnerPool {
  readonly changes = new Listeners<[]>();

  constructor(public list: readonly Runner[]) {}

  subscribe(onChange: () => void): () => void {
    return this.changes.subscribe(onChange);
  }

  runners() {
    return { runners: this.list };
  }

  change(list: readonly Runner[]): void {
    this.list = list;
    this.changes.emit();
  }

  async close(): Promise<void> {}
}

/** Room for some containers of 128 MB, each of which takes one call of 400 ms at a time; refuses what does not fit. */
class SlotRunner implements Runner {
  private readonly loads = new Listeners<Parameters<LoadListener>>();
  offers = 0;
  draining = false;
  running = 0;
  private containers = 0;
  private instanceId = 1;

  constructor(
    readonly address: string,
    private readonly slots: number,
    private readonly options: { tells?: boolean } = {},
  ) {}

  subscribe(listener: LoadListener): () => void {
    return this.loads.subscribe(listener);
  }

  async tryCall(call: Parameters<Runner['tryCall']>[0]): ReturnType<Runner['tryCall']> {
    this.offers += 1;
    // The way to the runner.
    await clock.sleep(0.2);
    if (this.running === this.slots || this.draining) {
      this.tell(call);
      return { kind: 'refused', reason: 'busy', error: new FnError('serverBusy') };
    }
    this.running += 1;
    this.containers = Math.max(this.containers, this.running);
    await clock.sleep(400);
    this.running -= 1;
    this.tell(call);
    return { kind: 'finished', report: reportOf(call) };
  }

  beginAnew(): void {
    this.instanceId += 1;
    this.containers = 0;
    this.draining = false;
  }

  tellStatus(): void {
    this.tell(undefined);
  }

  private tell(call: Parameters<Runner['tryCall']>[0] | undefined): void {
    if (!this.options.tells) return;
    const used = this.containers;
    const load: LoadReport = {
      instanceId: String(this.instanceId),
      memoryUsedBytes: used * 128 * MB,
      memoryTotalBytes: this.slots * 128 * MB,
      memoryIdleBytes: (used - this.running) * 128 * MB,
      cpuUsedMillis: 0,
      cpuTotalMillis: 0,
      active: this.running,
      waiting: 0,
      freeSlots: call === undefined ? undefined : used - this.running,
      draining: this.draining,
      degraded: false,
      degradedReason: '',
    };
    this.loads.emit(load, call);
  }

  status(): never {
    throw new Error('not asked');
  }

  async close(): Promise<void> {}
}
