import type { FleetStatus, RunnerStatusLine } from './fleet-status.js';
import { mergeFleetStatus } from './merge-fleet-status.js';

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
  const of = (known: Partial<RunnerStatusLine>, pool: FleetStatus['pool']) => status({ pool, runners: [line(known)] });
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
