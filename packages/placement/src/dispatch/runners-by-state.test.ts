import type { LoadReport } from '@fnfleet/protocol';
import { runnersByState } from './runners-by-state.js';

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
