import { CancelledError, FakeClock, FnError, PeerError } from '@fnfleet/core';
import type { LoadReport } from '@fnfleet/protocol';
import { FakeRunner } from '../fake-runner.js';
import { PlacementEvents } from '../placement-events.js';
import type { Runner, RunnerPool } from '../runner.js';
import { aCall } from '../test-fixture.js';
import { Dispatcher } from './dispatcher.js';

let clock: FakeClock;
let dispatcher: Dispatcher;
beforeEach(() => {
  clock = new FakeClock();
});
afterEach(() => {
  expect(dispatcher.waiting).toBe(0);
  dispatcher.close();
  expect(clock.pendingTimers).toBe(0);
});

/** A dispatcher over these runners, in this order. */
function begin(...runners: Runner[]): void {
  const pool: RunnerPool = { runners: () => ({ runners }), members: () => runners, close: async () => undefined };
  dispatcher = new Dispatcher({
    pool,
    placer: { order: (_call, { candidates }) => candidates },
    clock,
    timing: { placerTimeoutMs: 500, detachedPlacerTimeoutMs: 500, retryAllDelayMs: 10 },
    limits: { maxCalls: 1, maxBytes: 1000 },
    health: { probeMs: 0 },
    random: () => 0.5,
  });
}

/** Places a call and records what happens to it, one line per event. */
function explained(fnId = 'fn1', detailed = true) {
  const events = new PlacementEvents(clock, detailed);
  const caller = new AbortController();
  const placed = dispatcher.place({ ...aCall({ fnId }), events }, caller.signal);
  const story = () =>
    events.entries.map(({ event, runner, text }) => [event, runner, text].filter((part) => part).join(' '));
  return { placed, caller, story };
}

const full: Partial<LoadReport> = { instanceId: 'one', memoryTotalBytes: 100, memoryUsedBytes: 100, draining: false };

it('a call shows which runners were tried and what each answered', async () => {
  begin(
    new FakeRunner('busy').refuses(),
    new FakeRunner('gone').refuses('unreachable'),
    new FakeRunner('free').finishes(),
  );
  const { placed, story } = explained();
  expect((await placed).kind).toBe('finished');
  expect(story()).toEqual([
    'offered busy',
    'said busy refused: busy',
    'skipped busy full when last asked, for another 15 ms',
    'offered gone',
    'said gone refused: unreachable',
    'skipped busy full when last asked, for another 15 ms',
    'skipped gone unreachable, for another 38 ms',
    'offered free',
    'said free finished',
  ]);
});

it('a failure is shown with the beginning of its message', async () => {
  begin(new FakeRunner('r1').fails(new Error(`broke: ${'x'.repeat(1000)}`)));
  const { placed, story } = explained();
  await placed;
  expect(story()[1]).toBe(`said r1 failed: broke: ${'x'.repeat(193)}`);
});

it('a failure is shown with the detail for operators', async () => {
  begin(new FakeRunner('r1').fails(new PeerError(502, 'function failed', 'function', 'exit code 9')));
  const { placed, story } = explained();
  await placed;
  expect(story()[1]).toBe('said r1 failed: function failed: exit code 9');
});

it('skipped runners are shown with the reason, and for how long if that is known', async () => {
  const [cordoned, draining, full1, free] = ['cordoned', 'draining', 'full', 'free'].map(
    (name) => new FakeRunner(name),
  );
  begin(...([cordoned, draining, full1, free?.finishes()] as Runner[]));
  dispatcher.setCordoned('cordoned', true);
  draining?.loads.emit({ ...full, draining: true } as LoadReport, undefined);
  full1?.loads.emit(full as LoadReport, undefined);
  const { placed, story } = explained();
  await placed;
  expect(story().slice(0, 3)).toEqual([
    'skipped cordoned cordoned',
    'skipped draining draining, for another 2000 ms',
    'skipped full no room, for another 2000 ms',
  ]);
});

it('an ordinary call does not record skipped runners', async () => {
  begin(new FakeRunner('busy').refuses(), new FakeRunner('free').finishes());
  const { placed, story } = explained('fn1', false);
  await placed;
  expect(story()).toEqual(['offered busy', 'said busy refused: busy', 'offered free', 'said free finished']);
});

describe('a waiting call shows why it continues', () => {
  it('because a runner may have capacity', async () => {
    begin(new FakeRunner('r1').refuses().finishes());
    const { placed, story } = explained('fn1', false);
    await clock.advance(20);
    await placed;
    expect(story().slice(2)).toEqual(['queued', 'woken a runner may have capacity', 'offered r1', 'said r1 finished']);
  });

  it('because it is time to check again', async () => {
    begin();
    const { placed, story } = explained();
    await clock.advance(500);
    await placed;
    expect(story().slice(0, 2)).toEqual(['queued', 'woken time to check the runners again']);
  });

  it.each`
    why                   | act
    ${'its time is over'} | ${async () => clock.advance(500)}
    ${'its caller left'}  | ${async (caller: AbortController) => caller.abort(new CancelledError())}
  `('because $why', async ({ act }) => {
    begin(new FakeRunner('r1').refuses('busy', new FnError('serverBusy')));
    dispatcher.setCordoned('r1', true);
    const { placed, caller, story } = explained('fn1', false);
    await clock.advance(1);
    await act(caller);
    expect((await placed).kind).toBe('unplaced');
    expect(story()).toEqual(['queued', 'woken its time is over, or its caller has left']);
  });

  it('because it was rejected in favour of others', async () => {
    begin(new FakeRunner('r1'));
    dispatcher.setCordoned('r1', true);
    const first = explained();
    await clock.advance(1);
    const second = explained('fn2', false);
    expect(await second.placed).toMatchObject({ kind: 'unplaced', error: { code: 'serverBusy' } });
    expect(second.story()).toEqual(['queued', 'woken rejected in favour of other calls']);
    first.caller.abort(new CancelledError());
    await first.placed;
  });
});

it('a call is notified of each runner before it is offered to it', async () => {
  begin(new FakeRunner('r1').refuses(), new FakeRunner('r2').finishes());
  const offeredTo: string[] = [];
  const call = { ...aCall(), offeredTo: (address: string) => offeredTo.push(address) };
  await dispatcher.place(call, new AbortController().signal);
  expect(offeredTo).toEqual(['r1', 'r2']);
});
