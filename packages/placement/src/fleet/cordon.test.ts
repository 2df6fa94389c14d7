import { FakeRunner } from '../fake-runner.js';
import { FINISHED, FleetFixture, requestFor } from '../test-fixture.js';

it('a cordoned runner is offered nothing, whatever is known about it, and says why', () => {
  const fixture = new FleetFixture(2);
  fixture.call(0, FINISHED);
  expect(fixture.fleet.setCordoned('R0', true)).toBe(true);
  expect(fixture.at(0).ineligibleReason(requestFor())).toBe('cordoned');
  expect(fixture.at(0).condition).toBe('cordoned');
  expect(fixture.at(0).eligibleAgainAt(requestFor())).toBeUndefined();
  expect(fixture.at(1).ineligibleReason(requestFor())).toBeUndefined();
  expect(fixture.fleet.cordons).toEqual(['R0']);
});

it('calls in flight on it end as usual; after uncordoning it has capacity at once', () => {
  const fixture = new FleetFixture(1);
  fixture.at(0).offered(requestFor());
  fixture.fleet.setCordoned('r0', true);
  fixture.at(0).ended(requestFor(), FINISHED, 10);
  fixture.rooms.length = 0;
  fixture.fleet.setCordoned('r0', false);
  expect(fixture.rooms).toEqual(['r0']);
  expect(fixture.at(0).ineligibleReason(requestFor())).toBeUndefined();
  expect(fixture.fleet.cordons).toEqual([]);
});

it('an unknown address cannot be cordoned; a cordon outlives its runner in the pool', () => {
  const fixture = new FleetFixture(2);
  expect(fixture.fleet.setCordoned('r9', true)).toBe(false);
  fixture.fleet.setCordoned('r0', true);
  fixture.fleet.snapshot(fixture.runners.slice(1));
  expect(fixture.fleet.cordons).toEqual(['r0']);
  expect(fixture.fleet.setCordoned('r0', false)).toBe(true);
  expect(fixture.fleet.setCordoned('r0', false)).toBe(false);
});

it('a runner that joins while it is cordoned is offered nothing, and has a slow start after uncordoning', () => {
  const fixture = new FleetFixture(1);
  const [known] = fixture.runners;
  const newcomer = new FakeRunner('r1');
  fixture.fleet.setCordoned('r0', true);
  fixture.fleet.snapshot([newcomer]);
  const [joined] = fixture.fleet.current;
  expect([joined?.address, joined?.isCordoned, joined?.weight]).toEqual(['r1', false, 0.1]);
  const back = new FakeRunner('R0');
  fixture.fleet.snapshot([back, ...(known ? [known] : [])]);
  expect(fixture.fleet.current.map(({ isCordoned }) => isCordoned)).toEqual([true, true]);
  expect(fixture.at(0).weight).toBe(1);
});

it('cordoned runners do not make the fleet look unhealthy', async () => {
  const fixture = new FleetFixture(4);
  for (const address of ['r1', 'r2', 'r3']) fixture.fleet.setCordoned(address, true);
  const broken = { kind: 'failed', blame: 'runner', error: new Error('stream broke') } as const;
  for (let i = 0; i < 5; i += 1) fixture.call(0, broken);
  // The last usable runner is never ejected, and three healthy ones that are cordoned do not count.
  expect(fixture.at(0).isEjected).toBe(false);
});
