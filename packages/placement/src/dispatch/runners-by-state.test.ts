import type { LoadReport } from '@fnfleet/protocol';
import { runnersByState } from './runners-by-state.js';

const degraded = { degraded: true } as LoadReport;
const counted = (...runners: Parameters<typeof runnersByState>[0][]) =>
  Object.fromEntries(runnersByState(runners.flatMap((each) => [...each])).map((r) => [r.attributes?.state, r.value]));

it('names every state, whether or not a runner is in it', () => {
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

it('tells a runner that takes calls but makes no containers from one that is well', () => {
  expect(counted([{ condition: 'ok', load: degraded }])).toMatchObject({ ok: 0, degraded: 1 });
});

it('calls a degraded runner what keeps calls from it altogether', () => {
  expect(counted([{ condition: 'draining', load: degraded }])).toMatchObject({ draining: 1, degraded: 0 });
});
