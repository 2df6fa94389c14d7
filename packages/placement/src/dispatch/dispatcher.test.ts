import { CancelledError, FakeClock, FnError, Listeners, PeerError } from '@fnfleet/core';
import { newStaticRunnerPool } from '@fnfleet/discovery';
import type { OutboundCall } from '@fnfleet/protocol';
import { FakeRunner } from '../fake-runner.js';
import type { RunnerList, RunnerPool } from '../runner.js';
import { aCall } from '../test-fixture.js';
import { Dispatcher, type DispatcherDeps } from './dispatcher.js';
import type { PlacementOutcome } from './placement-task.js';

const timing = { placerTimeoutMs: 1000, detachedPlacerTimeoutMs: 100, retryAllDelayMs: 10 };
const limits = { maxCalls: 1000, maxBytes: 1_000_000 };

let clock: FakeClock;
let dispatchers: Dispatcher[];
beforeEach(() => {
  clock = new FakeClock();
  dispatchers = [];
});
afterEach(() => {
  for (const dispatcher of dispatchers) {
    expect(dispatcher.waiting).toBe(0);
    dispatcher.close();
  }
  expect(clock.pendingTimers).toBe(0);
});

describe('placing a call', () => {
  it('http-api 81: offers the call to the next runner when the first refuses', async () => {
    const full = new FakeRunner('r1').refuses('busy');
    const free = new FakeRunner('r2').finishes();

    const placement = await placeCall(aCall(), deps(poolOf(full, free)), never());

    expect(placement.kind).toBe('finished');
    expect([full.attempts, free.attempts]).toEqual([1, 1]);
  });

  it('http-api 82: does not offer a call again that may have run', async () => {
    const broken = new FakeRunner('r1').fails(new Error('stream lost'));
    const free = new FakeRunner('r2').finishes();

    const placement = await placeCall(aCall(), deps(poolOf(broken, free)), never());

    expect(placement).toMatchObject({ kind: 'failed', error: new Error('stream lost') });
    expect(free.attempts).toBe(0);
  });

  it('protocol 85: a full fleet is not swept: runners that refused are tried again after a growing pause', async () => {
    const runners = ['r1', 'r2', 'r3'].map((address) => new FakeRunner(address).refuses());
    const pool = new ScriptedPool([{ runners }]);
    const placed = placeCall(aCall(), deps(pool), never());

    await clock.advance(9);
    expect(runners.map((runner) => runner.attempts)).toEqual([1, 1, 1]);
    await clock.advance(991);
    expect(await placed).toMatchObject({ kind: 'unplaced', error: { code: 'serverBusy' } });
    // Fn tries each of them a hundred times.
    for (const { attempts } of runners) expect(attempts).toBeLessThan(9);
  });

  it('protocol 86: an empty fleet is "too busy" once the placement time is over', async () => {
    const pool = new ScriptedPool([{ runners: [] }]);
    const ended = ending(placeCall(aCall(), deps(pool), never()));

    await clock.advance(999);
    expect(ended.value).toBeUndefined();
    await clock.advance(1);
    expect(ended.value).toMatchObject({ kind: 'unplaced', error: { code: 'serverBusy' } });
    expect(pool.fetches).toBeGreaterThan(5);
  });

  it('protocol 87: a pool that blames the function ends the search at once', async () => {
    const error = new PeerError(502, 'no such image', 'function');
    const pool = new ScriptedPool([{ runners: [], error }]);

    expect(await placeCall(aCall(), deps(pool), never())).toEqual({ kind: 'unplaced', error });
    expect(pool.fetches).toBe(1);
  });

  it('protocol 87: runners that are full, then gone for the function’s own fault', async () => {
    const runners = [new FakeRunner('r1').refuses(), new FakeRunner('r2').refuses()];
    const error = new FnError('functionFailed');
    const pool = new ScriptedPool([{ runners }, { runners }, { runners }, { runners: [], error }]);
    const placed = placeCall(aCall(), deps(pool), never());

    await clock.advance(100);
    pool.changes.emit();
    expect(await placed).toEqual({ kind: 'unplaced', error });
    expect(runners.map((runner) => runner.attempts)).toEqual([1, 1]);
  });

  it('protocol 88: any other trouble of an empty pool is waited out, then reported', async () => {
    const error = new FnError('internal');
    const ended = ending(placeCall(aCall(), deps(new ScriptedPool([{ runners: [], error }])), never()));

    await clock.advance(999);
    expect(ended.value).toBeUndefined();
    await clock.advance(1);
    expect(ended.value).toEqual({ kind: 'unplaced', error });
  });

  it('protocol 89: runners that come with an error are still used', async () => {
    const free = new FakeRunner('r1').finishes();
    const pool = new ScriptedPool([{ runners: [free], error: new FnError('internal') }]);

    expect(await placeCall(aCall(), deps(pool), never())).toMatchObject({ kind: 'finished' });
  });

  it('protocol 90: a call that was taken may run longer than the placement time', async () => {
    const slow = new FakeRunner('r1').does(async () => {
      await clock.sleep(50_000);
      return { kind: 'failed', blame: 'runner', error: new Error('after a long time') };
    });
    const placed = placeCall(aCall(), deps(poolOf(slow)), never());

    await clock.advance(50_000);
    expect(await placed).toMatchObject({ kind: 'failed', error: new Error('after a long time') });
  });

  it('protocol 80: a detached call has its own, shorter placement time', async () => {
    const ended = ending(placeCall(aCall({ type: 'detached' }), deps(poolOf(new FakeRunner('r1').refuses())), never()));

    await clock.advance(99);
    expect(ended.value).toBeUndefined();
    await clock.advance(1);
    expect(ended.value).toMatchObject({ kind: 'unplaced', error: { code: 'serverBusy' } });
  });

  it('ends the search when the caller leaves, and starts no further attempt', async () => {
    const full = new FakeRunner('r1').refuses();
    const caller = new AbortController();
    const placed = placeCall(aCall(), deps(poolOf(full)), caller.signal);

    await clock.advance(5);
    caller.abort(new CancelledError());

    expect(await placed).toMatchObject({ kind: 'unplaced', error: expect.any(CancelledError) });
    expect(full.attempts).toBe(1);
  });

  it('reports why the caller ended the call', async () => {
    const caller = new AbortController();
    caller.abort(new FnError('reservationExpired'));

    expect(await placeCall(aCall(), deps(poolOf(new FakeRunner('r1').finishes())), caller.signal)).toMatchObject({
      kind: 'unplaced',
      error: { code: 'reservationExpired' },
    });
  });

  it.each`
    reason           | error                        | code
    ${'busy'}        | ${new FnError('serverBusy')} | ${'serverBusy'}
    ${'unreachable'} | ${new Error('ECONNREFUSED')} | ${'serverBusy'}
  `('a body that cannot be sent again ends the search at a refusal ($reason)', async ({ reason, error, code }) => {
    const first = new FakeRunner('r1').refuses(reason, error);
    const second = new FakeRunner('r2').finishes();

    const placement = await placeCall(aCall({ replayable: false }), deps(poolOf(first, second)), never());

    expect(placement).toMatchObject({ kind: 'unplaced', error: { code } });
    expect(second.attempts).toBe(0);
  });

  it.each([new Error('timed out'), 'timed out'])('a pool that throws at once counts as empty: %p', async (thrown) => {
    const pool: RunnerPool = {
      runners: () => {
        throw thrown;
      },
      close: async () => undefined,
    };
    const placed = placeCall(aCall(), deps(pool), never());
    await clock.advance(1000);
    expect(await placed).toEqual({ kind: 'unplaced', error: new Error('timed out') });
  });

  it.each(['callTimeout', 'functionFailed'] as const)(
    'a pool with the error %s ends the search only where it is final',
    async (code) => {
      const ended = ending(
        placeCall(aCall(), deps(new ScriptedPool([{ runners: [], error: new FnError(code) }])), never()),
      );
      await clock.advance(0);
      expect(ended.value !== undefined).toBe(code === 'functionFailed');
      await clock.advance(1000);
      expect(ended.value).toMatchObject({ kind: 'unplaced', error: { code } });
    },
  );

  it.each(['left', undefined, new Error('socket hang up')])(
    'a caller that gives %p as its reason has cancelled',
    async (reason) => {
      const caller = new AbortController();
      caller.abort(reason);
      expect(await placeCall(aCall(), deps(poolOf(new FakeRunner('r1').finishes())), caller.signal)).toMatchObject({
        kind: 'unplaced',
        error: expect.any(CancelledError),
      });
    },
  );

  it.each`
    what                                     | thrown                | error
    ${'with an error'}                       | ${new Error('a bug')} | ${new Error('a bug')}
    ${'with something that is not an error'} | ${'a bug'}            | ${{ code: 'internal', cause: 'a bug' }}
  `('a custom runner that rejects $what fails the call, which may have run', async ({ thrown, error }) => {
    const [broken, free] = [new FakeRunner('r1').finishes(), new FakeRunner('r2').finishes()];
    broken.tryCall = () => Promise.reject(thrown);
    const placement = await placeCall(aCall(), deps(poolOf(broken, free)), never());
    expect(placement).toMatchObject({ kind: 'failed', blame: 'runner', error });
    expect(free.attempts).toBe(0);
  });

  it('a custom placer that throws something other than an error fails the call with an internal error', async () => {
    const placer: DispatcherDeps['placer'] = {
      order: () => {
        throw 'a bug';
      },
    };
    const placement = await placeCall(aCall(), { ...deps(poolOf(new FakeRunner('r1'))), placer }, never());
    expect(placement).toMatchObject({ kind: 'unplaced', error: { code: 'internal', cause: 'a bug' } });
  });

  it('a pool that throws counts as empty with that error', async () => {
    const pool: RunnerPool = {
      runners: () => Promise.reject(new FnError('functionFailed')),
      close: async () => undefined,
    };
    expect(await placeCall(aCall(), deps(pool), never())).toMatchObject({ error: { code: 'functionFailed' } });
  });

  it('a pool that hangs holds the call no longer than the placement time, and not at all once the caller has left', async () => {
    const pool: RunnerPool = { runners: () => new Promise(() => undefined), close: async () => undefined };
    const caller = new AbortController();
    const patient = placeCall(aCall(), deps(pool), never());
    const gone = placeCall(aCall(), deps(pool), caller.signal);

    await clock.advance(1);
    caller.abort(new CancelledError());
    expect(await gone).toMatchObject({ error: expect.any(CancelledError) });
    await clock.advance(999);
    expect(await patient).toMatchObject({ error: { code: 'serverBusy' } });
  });
});

class ScriptedPool implements RunnerPool {
  fetches = 0;
  readonly changes = new Listeners<[]>();

  constructor(private readonly lists: readonly RunnerList[]) {}

  subscribe(onChange: () => void): () => void {
    return this.changes.subscribe(onChange);
  }

  runners(): RunnerList {
    const list = this.lists[Math.min(this.fetches, this.lists.length - 1)] as RunnerList;
    this.fetches += 1;
    return list;
  }

  async close(): Promise<void> {}
}

function deps(pool: RunnerPool): DispatcherDeps {
  const placer: DispatcherDeps['placer'] = { order: (_call, { candidates }) => candidates };
  return { pool, placer, clock, timing, limits, random: () => 0.5 };
}

function placeCall(call: OutboundCall, parts: DispatcherDeps, signal: AbortSignal): Promise<PlacementOutcome> {
  const dispatcher = new Dispatcher(parts);
  dispatchers.push(dispatcher);
  return dispatcher.place(call, signal);
}

function poolOf(...runners: FakeRunner[]): RunnerPool {
  const byAddress = new Map(runners.map((runner) => [runner.address, runner]));
  return newStaticRunnerPool([...byAddress.keys()], (address) => byAddress.get(address) as FakeRunner);
}

function never(): AbortSignal {
  return new AbortController().signal;
}

function ending<T>(promise: Promise<T>): { value: T | undefined } {
  const ended: { value: T | undefined } = { value: undefined };
  promise.then((value) => {
    ended.value = value;
  });
  return ended;
}
