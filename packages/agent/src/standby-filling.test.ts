import { FakeClock } from '@fnfleet/core';
import { Standby } from './launch/standby.js';

let clock: FakeClock;
let containers: number;
let wanted: number;
/** Whether a launch is possible. */
let possible: boolean;
let tries: number;
let standby: Standby;
beforeEach(() => {
  clock = new FakeClock();
  [containers, wanted, possible, tries] = [0, 3, true, 0];
  standby = new Standby({
    wanted: () => wanted,
    clock,
    containers: () => containers,
    launch: () => {
      tries += 1;
      if (possible) containers += 1;
      return possible;
    },
  });
});
afterEach(() => {
  standby.stop();
  expect(clock.pendingTimers).toBe(0);
});

it('launches what is missing, no more', () => {
  containers = 1;
  standby.fill();
  expect([containers, tries]).toEqual([3, 2]);
  standby.fill();
  expect(tries).toBe(2);
});

it('launches nothing where none are wanted, nor where there are more than wanted', () => {
  wanted = 0;
  standby.fill();
  [wanted, containers] = [1, 2];
  standby.fill();
  expect(tries).toBe(0);
});

it('where a launch is not possible it tries again after ten seconds, whoever asks meanwhile', async () => {
  possible = false;
  standby.fill();
  standby.fill();
  expect(tries).toBe(1);
  possible = true;
  await clock.advance(9_999);
  standby.fill();
  expect(tries).toBe(1);
  await clock.advance(1);
  expect([containers, tries]).toEqual([3, 4]);
});

it('several failures of one moment are followed by one retry', async () => {
  containers = 3;
  standby.retryLater();
  standby.retryLater();
  expect(clock.pendingTimers).toBe(1);
  containers = 2;
  await clock.advance(10_000);
  expect(tries).toBe(1);
});

it('once stopped it does not come back by itself', async () => {
  possible = false;
  standby.fill();
  standby.stop();
  await clock.advance(60_000);
  expect(tries).toBe(1);
  possible = true;
  standby.fill();
  expect(containers).toBe(3);
});
