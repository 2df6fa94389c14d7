import { FakeClock } from '@fnfleet/core';
import { Standby } from './launcher.js';

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

it('launches exactly the missing containers', () => {
  containers = 1;
  standby.fill();
  expect([containers, tries]).toEqual([3, 2]);
  standby.fill();
  expect(tries).toBe(2);
});

it('launches nothing when enough containers exist or none are wanted', () => {
  wanted = 0;
  standby.fill();
  [wanted, containers] = [1, 2];
  standby.fill();
  expect(tries).toBe(0);
});

it('retries an impossible launch after ten seconds, and not earlier when asked again', async () => {
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

it('several failures at once cause one retry', async () => {
  containers = 3;
  standby.retryLater();
  standby.retryLater();
  expect(clock.pendingTimers).toBe(1);
  containers = 2;
  await clock.advance(10_000);
  expect(tries).toBe(1);
});

it('does not retry by itself once stopped', async () => {
  possible = false;
  standby.fill();
  standby.stop();
  await clock.advance(60_000);
  expect(tries).toBe(1);
  possible = true;
  standby.fill();
  expect(containers).toBe(3);
});
