import { FakeClock } from '@fnfleet/core';
import { MembershipPool, newStaticRunnerPool } from '@fnfleet/discovery';
import { type AttemptOutcome, NOTHING_CHECKED } from '@fnfleet/protocol';
import { Dispatcher } from './dispatch/dispatcher.js';
import { DrainRate } from './dispatch/placement-queue.js';
import { FakeRunner } from './fake-runner.js';
import { Prober } from './fleet/prober.js';
import { PlacementEvents } from './placement-events.js';
import { aCall, BUSY, FINISHED, FleetFixture, MB, requestFor } from './test-fixture.js';

const HOUR_MS = 3_600_000;
const BROKEN: AttemptOutcome = { kind: 'failed', blame: 'runner', error: new Error('broke') };

interface Belief {
  readonly what: string;
  readonly begin: (fixture: FleetFixture) => void;
  readonly lastsMs: number;
  readonly holds: (fixture: FleetFixture) => boolean;
}

const ineligible = (fixture: FleetFixture, fnId = 'fn1') => fixture.at(0).ineligibleReason(requestFor(fnId));

const BELIEFS: readonly Belief[] = [
  {
    what: 'an ejection',
    begin: (fixture) => Array.from({ length: 5 }, () => fixture.call(0, BROKEN)),
    lastsMs: 10_000,
    holds: (fixture) => ineligible(fixture) === 'ejected',
  },
  {
    what: 'a refusal',
    begin: (fixture) => fixture.call(0, BUSY),
    lastsMs: 15,
    holds: (fixture) => ineligible(fixture) === 'refused',
  },
  {
    what: 'the pause after a failed connection',
    begin: (fixture) => fixture.at(0).onProbeUnreachable(new Error('ECONNREFUSED')),
    lastsMs: 38,
    holds: (fixture) => ineligible(fixture) === 'unreachable',
  },
  {
    what: 'the pause after a failed probe',
    begin: (fixture) => [1, 2].map(() => fixture.at(0).onProbeUnreachable(new Error('ECONNREFUSED'))),
    lastsMs: 3_000,
    holds: (fixture) => ineligible(fixture) === 'unreachable',
  },
  {
    what: 'a draining that is announced',
    begin: (fixture) => fixture.tell(0, { draining: true }),
    lastsMs: 2_000,
    holds: (fixture) => ineligible(fixture) === 'draining',
  },
  {
    what: 'a report of no room',
    begin: (fixture) => fixture.tell(0, { memoryUsedBytes: 1024 * MB }),
    lastsMs: 2_000,
    holds: (fixture) => ineligible(fixture) === 'no room',
  },
  {
    what: 'a free container',
    begin: (fixture) => fixture.call(0, FINISHED),
    lastsMs: 30_000,
    holds: (fixture) => fixture.at(0).freeSlots('fn1') === 1,
  },
  {
    what: 'the slow start of a newcomer',
    begin: (fixture) => fixture.at(0).beginSlowStart(),
    lastsMs: 10_000,
    holds: (fixture) => fixture.at(0).weight < 1,
  },
];

describe.each([
  ['back', -HOUR_MS],
  ['forward', HOUR_MS],
])('the wall clock steps %s by an hour', (_, stepMs) => {
  it.each(BELIEFS)('$what lasts as long as ever', async ({ begin, lastsMs, holds }) => {
    const fixture = new FleetFixture(10);
    begin(fixture);
    fixture.clock.stepWall(stepMs);
    expect(holds(fixture)).toBe(true);
    await fixture.clock.advance(lastsMs - 1);
    expect(holds(fixture)).toBe(true);
    await fixture.clock.advance(1);
    expect(holds(fixture)).toBe(false);
  });

  it('a runner is probed as often as before', async () => {
    const fixture = new FleetFixture(1);
    let probes = 0;
    const [runner] = fixture.runners;
    if (runner) {
      runner.status = async () => {
        probes += 1;
        return NOTHING_CHECKED;
      };
    }
    const prober = new Prober(fixture.clock, 5_000, () => fixture.states);
    prober.start();
    await fixture.clock.advance(5_000);
    fixture.clock.stepWall(stepMs);
    await fixture.clock.advance(20_000);
    prober.close();
    expect(probes).toBe(5);
  });

  it('a waiting call waits no longer than before, and a refused one is offered again as soon', async () => {
    const clock = new FakeClock();
    const full = new FakeRunner('r1').refuses();
    const dispatcher = new Dispatcher({
      pool: newStaticRunnerPool(['r1'], () => full),
      placer: { order: (_call, { candidates }) => candidates },
      timing: { placerTimeoutMs: 1_000, detachedPlacerTimeoutMs: 1_000, retryAllDelayMs: 10 },
      clock,
      random: () => 0.5,
      limits: { maxCalls: 10, maxBytes: 1_000 },
    });
    let over = false;
    const placed = dispatcher.place(aCall(), new AbortController().signal).finally(() => {
      over = true;
    });
    await clock.advance(9);
    clock.stepWall(stepMs);
    await clock.advance(990);
    expect(full.attempts).toBeGreaterThan(4);
    expect(over).toBe(false);
    await clock.advance(1);
    expect(await placed).toMatchObject({ kind: 'unplaced', error: { code: 'serverBusy' } });
    dispatcher.close();
    expect(clock.pendingTimers).toBe(0);
  });

  it('the drain rate is the same as before', async () => {
    const clock = new FakeClock();
    const rate = new DrainRate(clock);
    for (let calls = 0; calls < 30; calls += 1) {
      rate.add();
      await clock.advance(200);
    }
    const before = rate.perSecond ?? Number.NaN;
    clock.stepWall(stepMs);
    expect(rate.perSecond).toBeCloseTo(before, 6);
  });

  it('ages and times of events count elapsed time', async () => {
    const clock = new FakeClock();
    const pool = new MembershipPool({
      kind: 'test',
      description: 'test://somewhere',
      source: {
        start: (listener) => listener.onMembers(['a:1']),
        close: async () => undefined,
      },
      createRunner: (address) => new FakeRunner(address),
      clock,
    });
    const events = new PlacementEvents(clock, true);
    const arrived = events.arrivedAt;
    clock.stepWall(stepMs);
    await clock.advance(2_000);
    events.queued();
    expect(pool.status()).toMatchObject({ listAgeMs: 2_000, changedAgeMs: 2_000 });
    expect(events.entries).toMatchObject([{ event: 'queued', atMs: 2_000 }]);
    expect(events.arrivedAt).toBe(arrived);
    await pool.close();
  });
});
