import { type LogFields, type Logger, RecordedMetrics, silentLogger } from '@fnfleet/core';
import { HealthState } from '@fnfleet/drivers';
import { LaunchPermit } from './launch-permit.js';

const metrics = RecordedMetrics.install();

let health: HealthState;
let refused: number;
let said: string[];
const logger: Logger = {
  ...silentLogger,
  info: (what) => void said.push(`info ${what}`),
  warn: (what, fields?: LogFields) => void said.push(`warn ${what} ${fields?.reason}`),
};
const permit = () =>
  new LaunchPermit(health, logger, () => {
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
  'an engine that fails %s there is somebody to refuse makes no containers, and says why',
  (when) => {
    if (when === 'before') health.degrade('it hangs');
    const one = permit();
    if (when === 'after') {
      expect([one.refusal(), refused, degraded(), said]).toEqual([undefined, 0, 0, []]);
      health.degrade('it hangs');
    }
    expect(one.refusal()).toMatchObject({ code: 'serverBusy', cause: { message: 'no new containers: it hangs' } });
    expect([refused, degraded(), said]).toEqual([1, 1, [expect.stringMatching(/^warn degraded.* it hangs$/)]]);

    health.recover();
    expect([one.refusal(), refused, degraded(), said[1]]).toEqual([
      undefined,
      1,
      0,
      'info new containers can be made again',
    ]);
    one.close();
    expect(degraded()).toBe(0);
  },
);

it('closed while it is degraded it is no longer counted, and hears nothing any more', () => {
  const one = permit();
  health.degrade('it hangs');
  one.close();
  health.recover();
  health.degrade('again');
  expect([refused, degraded(), said.length]).toEqual([1, 0, 1]);
});
