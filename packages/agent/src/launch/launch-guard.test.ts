import { type LogFields, type Logger, RecordedMetrics, silentLogger } from '@fnfleet/core';
import { HealthState } from '@fnfleet/drivers';
import { LaunchGuard } from './launch-guard.js';

const metrics = RecordedMetrics.install();

let health: HealthState;
let refused: number;
let said: string[];
const logger: Logger = {
  ...silentLogger,
  info: (what) => void said.push(`info ${what}`),
  warn: (what, fields?: LogFields) => void said.push(`warn ${what} ${fields?.reason}`),
};
const newGuard = () =>
  new LaunchGuard(health, logger, () => {
    refused += 1;
  });
const degraded = () => metrics.sum('runner_degraded');

beforeEach(() => {
  metrics.reset();
  health = new HealthState();
  refused = 0;
  said = [];
});

it.each(['before', 'after'])(
  'refuses launches, with the reason, when the engine fails %s the guard is created',
  (when) => {
    if (when === 'before') health.degrade('it hangs');
    const guard = newGuard();
    if (when === 'after') {
      expect([guard.refusal(), refused, degraded(), said]).toEqual([undefined, 0, 0, []]);
      health.degrade('it hangs');
    }
    expect(guard.refusal()).toMatchObject({ code: 'serverBusy', cause: { message: 'no new containers: it hangs' } });
    expect([refused, degraded(), said]).toEqual([1, 1, [expect.stringMatching(/^warn degraded.* it hangs$/)]]);

    health.recover();
    expect([guard.refusal(), refused, degraded(), said[1]]).toEqual([
      undefined,
      1,
      0,
      'info no longer degraded: new containers can be created',
    ]);
    guard.close();
    expect(degraded()).toBe(0);
  },
);

it('a guard closed while degraded is no longer counted and ignores later changes', () => {
  const guard = newGuard();
  health.degrade('it hangs');
  guard.close();
  health.recover();
  health.degrade('again');
  expect([refused, degraded(), said.length]).toEqual([1, 0, 1]);
});
