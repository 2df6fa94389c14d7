import { FakeRunner } from '../fake-runner.js';
import { FINISHED, needFor, TestView } from './test-view.js';

it('a cordoned runner is offered nothing, whatever is known of it, and says why', () => {
  const view = new TestView(2);
  view.call(0, FINISHED);
  expect(view.fleet.setCordoned('R0', true)).toBe(true);
  expect(view.at(0).unfitFor(needFor())).toBe('cordoned');
  expect(view.at(0).state).toBe('cordoned');
  expect(view.at(0).fitAgainAt(needFor())).toBeUndefined();
  expect(view.at(1).unfitFor(needFor())).toBeUndefined();
  expect(view.fleet.cordons).toEqual(['R0']);
});

it('calls in hand there end as ever; without the cordon there is room at once', () => {
  const view = new TestView(1);
  view.at(0).offered(needFor());
  view.fleet.setCordoned('r0', true);
  view.at(0).ended(needFor(), FINISHED, 10);
  view.rooms.length = 0;
  view.fleet.setCordoned('r0', false);
  expect(view.rooms).toEqual(['r0']);
  expect(view.at(0).unfitFor(needFor())).toBeUndefined();
  expect(view.fleet.cordons).toEqual([]);
});

it('an address that nobody has cannot be cordoned; a cordon outlives its runner in the pool', () => {
  const view = new TestView(2);
  expect(view.fleet.setCordoned('r9', true)).toBe(false);
  view.fleet.setCordoned('r0', true);
  view.fleet.snapshot(view.runners.slice(1));
  expect(view.fleet.cordons).toEqual(['r0']);
  expect(view.fleet.setCordoned('r0', false)).toBe(true);
  expect(view.fleet.setCordoned('r0', false)).toBe(false);
});

it('a runner that joins while it is cordoned is offered nothing, and begins slowly when it is not any more', () => {
  const view = new TestView(1);
  const [known] = view.runners;
  const newcomer = new FakeRunner('r1');
  view.fleet.setCordoned('r0', true);
  view.fleet.snapshot([newcomer]);
  const [joined] = view.fleet.current;
  expect([joined?.address, joined?.isCordoned, joined?.weight]).toEqual(['r1', false, 0.1]);
  const back = new FakeRunner('R0');
  view.fleet.snapshot([back, ...(known ? [known] : [])]);
  expect(view.fleet.current.map(({ isCordoned }) => isCordoned)).toEqual([true, true]);
  expect(view.at(0).weight).toBe(1);
});

it('runners that an operator has taken out do not make the fleet look ill', async () => {
  const view = new TestView(4);
  for (const address of ['r1', 'r2', 'r3']) view.fleet.setCordoned(address, true);
  const broken = { kind: 'failed', blame: 'runner', error: new Error('stream broke') } as const;
  for (let i = 0; i < 5; i += 1) view.call(0, broken);
  // The last that may be used is never ejected, and three healthy ones that may not be do not count.
  expect(view.at(0).isEjected).toBe(false);
});
