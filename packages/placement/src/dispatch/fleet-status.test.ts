import { FakeClock, Listeners, PeerError, RecordedMetrics } from '@fnfleet/core';
import type { LoadReport, RunnerAbout, RunnerStatus } from '@fnfleet/protocol';
import { FakeRunner } from '../fake-runner.js';
import type { Runner, RunnerPool } from '../runner.js';
import { BUSY, FleetFixture } from '../test-fixture.js';
import { Dispatcher, type DispatcherDeps } from './dispatcher.js';
import {
  duplicateWarnings,
  type FleetStatus,
  mergeFleetStatus,
  type RunnerStatusLine,
  runnersByState,
  statusLine,
} from './fleet-status.js';

const metrics = RecordedMetrics.install();

class ChangingPool implements RunnerPool {
  readonly changes = new Listeners<[]>();

  constructor(private list: readonly Runner[]) {}

  subscribe(onChange: () => void): () => void {
    return this.changes.subscribe(onChange);
  }

  runners() {
    return { runners: this.list };
  }

  members() {
    return this.list;
  }

  change(list: readonly Runner[]): void {
    this.list = list;
    this.changes.emit();
  }

  async close() {}
}

function dispatcherOf(pool: RunnerPool, more: Partial<DispatcherDeps> = {}): Dispatcher {
  return new Dispatcher({
    pool,
    placer: { order: (_call, { candidates }) => candidates },
    clock: new FakeClock(),
    timing: { placerTimeoutMs: 1000, detachedPlacerTimeoutMs: 1000, retryAllDelayMs: 10 },
    limits: { maxCalls: 10, maxBytes: 1000 },
    health: { probeMs: 0 },
    random: () => 0.5,
    ...more,
  });
}

it('an operator who asks gets the current condition of all runners, although nobody probes them', async () => {
  const runners = ['r1', 'r2'].map(
    (address) => new TellingRunner(address, { instanceId: address, active: 3 } as LoadReport),
  );
  const dispatcher = dispatcherOf(new ChangingPool(runners));
  const seen = () => dispatcher.status().runners.map(({ address, load }) => [address, load?.active]);
  try {
    expect(seen()).toEqual([
      ['r1', undefined],
      ['r2', undefined],
    ]);
    await dispatcher.askRunners(1000);
    expect(seen()).toEqual([
      ['r1', 3],
      ['r2', 3],
    ]);
  } finally {
    dispatcher.close();
  }
});

it('a runner that is listed twice is reported once, and so is one that is added later', async () => {
  const troubles: string[] = [];
  const same = { instanceId: 'x' } as LoadReport;
  const [r1, r2, r3] = ['r1', 'r2', 'r3'].map((address) => new TellingRunner(address, same)) as [
    TellingRunner,
    TellingRunner,
    TellingRunner,
  ];
  const pool = new ChangingPool([r1, r2]);
  const dispatcher = dispatcherOf(pool, { onTrouble: (what) => troubles.push(what) });
  try {
    await dispatcher.askRunners(1000);
    await dispatcher.askRunners(1000);
    expect(troubles).toEqual([expect.stringContaining('r1 and r2 are the same runner')]);
    pool.change([r1, r3]);
    await dispatcher.askRunners(1000);
    expect(troubles.slice(1)).toEqual([expect.stringContaining('r1 and r3 are the same runner')]);
  } finally {
    dispatcher.close();
  }
});

/** Reports its load when probed. */
class TellingRunner extends FakeRunner {
  constructor(
    address: string,
    private readonly load: LoadReport,
  ) {
    super(address);
  }

  override async status(): Promise<RunnerStatus> {
    this.loads.emit(this.load, undefined);
    return { ...(await super.status()), load: this.load };
  }
}

it('follows the pool, also when it becomes empty, and so do the metrics', () => {
  const pool = new ChangingPool([new FakeRunner('r1'), new FakeRunner('r2')]);
  const dispatcher = dispatcherOf(pool);
  const seen = () => [
    dispatcher.status().runners.map(({ address }) => address),
    metrics.sum('lb_runners_by_state', { state: 'ok' }),
    metrics.sum('lb_runners_by_state', { state: 'cordoned' }),
  ];
  try {
    expect(seen()).toEqual([['r1', 'r2'], 2, 0]);
    dispatcher.setCordoned('r2', true);
    expect(seen()).toEqual([['r1', 'r2'], 1, 1]);
    pool.change([]);
    expect(seen()).toEqual([[], 0, 0]);
    pool.change([new FakeRunner('r3')]);
    expect(seen()).toEqual([['r3'], 1, 0]);
  } finally {
    dispatcher.close();
  }
});

describe('the line of one runner', () => {
  const PROBLEM = new Error('connect ECONNREFUSED 10.0.0.1:9190');

  function repeat(times: number, act: () => void): void {
    for (let i = 0; i < times; i += 1) act();
  }

  it.each`
    what                                       | happens                                                                                                                                                 | state            | reason
    ${'that answers'}                          | ${() => undefined}                                                                                                                                      | ${'ok'}          | ${undefined}
    ${'that is full'}                          | ${(fixture: FleetFixture) => fixture.call(0, BUSY)}                                                                                                     | ${'ok'}          | ${undefined}
    ${'whose engine is down'}                  | ${(fixture: FleetFixture) => fixture.tell(0, { degraded: true, degradedReason: 'the engine hangs' })}                                                   | ${'ok'}          | ${'the engine hangs'}
    ${'that is degraded and does not say why'} | ${(fixture: FleetFixture) => fixture.tell(0, { degraded: true })}                                                                                       | ${'ok'}          | ${'cannot create containers'}
    ${'that refuses connections'}              | ${(fixture: FleetFixture) => fixture.at(0).onProbeUnreachable(PROBLEM)}                                                                                 | ${'unreachable'} | ${PROBLEM.message}
    ${'that lost a call'}                      | ${(fixture: FleetFixture) => fixture.call(0, { kind: 'refused', reason: 'lost', error: PROBLEM })}                                                      | ${'unreachable'} | ${PROBLEM.message}
    ${'that a call could not reach'}           | ${(fixture: FleetFixture) => fixture.call(0, { kind: 'refused', reason: 'unreachable', error: PROBLEM })}                                               | ${'unreachable'} | ${PROBLEM.message}
    ${'that is unresponsive'}                  | ${(fixture: FleetFixture) => Object.assign(fixture.runners[0] as FakeRunner, { isUnresponsive: true })}                                                 | ${'silent'}      | ${'a keepalive PING is still unanswered'}
    ${'that drains'}                           | ${(fixture: FleetFixture) => fixture.tell(0, { draining: true })}                                                                                       | ${'draining'}    | ${'takes no new calls'}
    ${'that is cordoned'}                      | ${(fixture: FleetFixture) => fixture.fleet.setCordoned('r0', true)}                                                                                     | ${'cordoned'}    | ${'cordoned on this balancer by an operator'}
    ${'that is closed'}                        | ${(fixture: FleetFixture) => fixture.call(0, { kind: 'refused', reason: 'closed', error: PROBLEM })}                                                    | ${'gone'}        | ${'closed'}
    ${'that fails calls'}                      | ${(fixture: FleetFixture) => repeat(5, () => fixture.call(0, { kind: 'failed', blame: 'runner', error: new PeerError(500, 'disk full', 'platform') }))} | ${'ejected'}     | ${'calls fail on it: disk full'}
  `('operators see a runner $what as $state', ({ happens, state, reason }) => {
    const fixture = new FleetFixture(10);
    happens(fixture);
    expect(statusLine(fixture.at(0))).toMatchObject({ address: 'r0', state, reason });
    expect(fixture.at(0).isHealthy).toBe(state === 'ok');
  });

  it.each`
    first            | then             | state
    ${'closed'}      | ${'draining'}    | ${'gone'}
    ${'unreachable'} | ${'draining'}    | ${'draining'}
    ${'draining'}    | ${'cordoned'}    | ${'draining'}
    ${'cordoned'}    | ${'silent'}      | ${'cordoned'}
    ${'silent'}      | ${'ejected'}     | ${'silent'}
    ${'draining'}    | ${'unreachable'} | ${'unreachable'}
  `('a runner that is $first, then $then, is shown as $state', ({ first, then, state }) => {
    const fixture = new FleetFixture(10);
    for (const what of [first, then]) ACTS[what as keyof typeof ACTS](fixture);
    expect(fixture.at(0).condition).toBe(state);
  });

  const ACTS = {
    closed: (fixture: FleetFixture) => fixture.call(0, { kind: 'refused', reason: 'closed', error: PROBLEM }),
    unreachable: (fixture: FleetFixture) => fixture.at(0).onProbeUnreachable(PROBLEM),
    draining: (fixture: FleetFixture) => fixture.tell(0, { draining: true }),
    cordoned: (fixture: FleetFixture) => fixture.fleet.setCordoned('r0', true),
    silent: (fixture: FleetFixture) => Object.assign(fixture.runners[0] as FakeRunner, { isUnresponsive: true }),
    ejected: (fixture: FleetFixture) =>
      repeat(5, () => fixture.call(0, { kind: 'failed', blame: 'runner', error: new Error('broke') })),
  };

  it('a status line has the calls in flight, the weight and the warm functions of the runner', () => {
    const fixture = new FleetFixture(1);
    fixture.tell(0, { freeSlots: 1, instanceId: 'x' }, 'fn1');
    expect(statusLine(fixture.at(0))).toMatchObject({
      cordoned: false,
      inFlight: 0,
      weight: 1,
      warmFunctions: 1,
      load: { instanceId: 'x' },
      identity: undefined,
    });
  });
});

describe('the status of several processes', () => {
  const line = (changes: Partial<RunnerStatusLine>): RunnerStatusLine => ({
    address: 'r1:9190',
    state: 'ok',
    reason: undefined,
    cordoned: false,
    inFlight: 0,
    weight: 1,
    warmFunctions: 0,
    load: undefined,
    identity: undefined,
    ...changes,
  });
  const status = (changes: Partial<FleetStatus>): FleetStatus => ({
    waiting: 0,
    inFlight: 0,
    pool: undefined,
    cordons: [],
    troubles: [],
    runners: [],
    ...changes,
  });

  it('calls of all processes are added up, and each runner is one line', () => {
    const merged = mergeFleetStatus([
      status({ waiting: 1, inFlight: 2, cordons: ['a'], troubles: ['x'], runners: [line({ inFlight: 2 })] }),
      status({
        waiting: 3,
        inFlight: 4,
        cordons: ['a', 'b'],
        troubles: ['x'],
        runners: [line({ inFlight: 4, weight: 0.5 })],
      }),
    ]);
    expect(merged).toMatchObject({ waiting: 4, inFlight: 6, cordons: ['a', 'b'], troubles: ['x'] });
    expect(merged?.runners).toEqual([line({ inFlight: 6, weight: 0.5 })]);
  });

  it('trouble that one process has with a runner is shown', () => {
    const merged = mergeFleetStatus([
      status({ runners: [line({ warmFunctions: 3 })] }),
      status({ runners: [line({ state: 'unreachable', reason: 'ECONNREFUSED' }), line({ address: 'r2:9190' })] }),
    ]);
    expect(merged?.runners).toEqual([
      line({ state: 'unreachable', reason: 'ECONNREFUSED', warmFunctions: 3 }),
      line({ address: 'r2:9190' }),
    ]);
  });

  it('information that only some processes have is shown', () => {
    const load = { active: 3 } as never;
    const identity = { about: { name: 'box' } } as never;
    const quiet = { kind: 'file', failing: false } as never;
    const failing = { kind: 'file', failing: true } as never;
    const of = (known: Partial<RunnerStatusLine>, pool: FleetStatus['pool']) =>
      status({ pool, runners: [line(known)] });
    const merged = mergeFleetStatus([of({}, quiet), of({ cordoned: true, load }, failing), of({ identity }, quiet)]);
    expect(merged).toEqual(status({ pool: failing, runners: [line({ cordoned: true, load, identity })] }));

    const other = { active: 4 } as never;
    expect(mergeFleetStatus([of({ load }, quiet), of({ load: other, state: 'draining' }, undefined)])).toEqual(
      status({ pool: quiet, runners: [line({ load: other, state: 'draining' })] }),
    );
  });

  it('processes without runners have no status', () => {
    expect(mergeFleetStatus([])).toBeUndefined();
  });
});

describe('the metric of runners by state', () => {
  const degraded = { degraded: true } as LoadReport;
  const counted = (...runners: Parameters<typeof runnersByState>[0][]) =>
    Object.fromEntries(runnersByState(runners.flatMap((each) => [...each])).map((r) => [r.attributes?.state, r.value]));

  it('has every state, with or without runners in it', () => {
    const none = { ok: 0, degraded: 0, draining: 0, cordoned: 0, ejected: 0, silent: 0, unreachable: 0, gone: 0 };
    expect(counted()).toEqual(none);
    expect(
      counted([
        { condition: 'ok', load: undefined },
        { condition: 'ok', load: undefined },
        { condition: 'unreachable', load: undefined },
      ]),
    ).toEqual({ ...none, ok: 2, unreachable: 1 });
  });

  it('distinguishes a runner that takes calls but creates no containers from a healthy one', () => {
    expect(counted([{ condition: 'ok', load: degraded }])).toMatchObject({ ok: 0, degraded: 1 });
  });

  it('gives precedence to a state that keeps all calls from a degraded runner', () => {
    expect(counted([{ condition: 'draining', load: degraded }])).toMatchObject({ draining: 1, degraded: 0 });
  });
});

describe('warnings about the setup of the fleet', () => {
  const runner = (address: string, instanceId?: string, name?: string) => ({
    address,
    load: instanceId === undefined ? undefined : ({ instanceId } as LoadReport),
    identity: name === undefined ? undefined : { about: { name } as RunnerAbout, clockSkewMs: 0, uncertaintyMs: 0 },
  });

  it('finds nothing in a correct fleet, nor in one of Fn', () => {
    expect(duplicateWarnings([runner('a:1', 'x', 'box-1'), runner('b:1', 'y', 'box-2')])).toEqual([]);
    expect(duplicateWarnings([runner('a:1'), runner('b:1'), runner('c:1', '', '')])).toEqual([]);
  });

  it('finds a runner that is listed under two addresses, once', () => {
    const found = duplicateWarnings([runner('a:1', 'x', 'box-1'), runner('10.0.0.1:1', 'x', 'box-1')]);
    expect(found).toEqual([
      'a:1 and 10.0.0.1:1 are the same runner, which gets a share of calls for each: list it once (FN_RUNNER_ADDRESSES, or the ' +
        'source in FN_RUNNER_POOL)',
    ]);
  });

  it('finds runners that have the same name', () => {
    const found = duplicateWarnings([
      runner('a:1', 'x', 'box'),
      runner('b:1', 'y', 'other'),
      runner('c:1', 'z', 'box'),
    ]);
    expect(found).toEqual(['a:1 and c:1 have the same name "box": give each its own FN_RUNNER_NAME']);
  });
});
