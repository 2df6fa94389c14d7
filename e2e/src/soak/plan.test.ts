// needs: nothing
import { FULL_FORM, SHORT_FORM } from './forms.js';
import { CALL_KINDS } from './kinds.js';
import { type Plan, planSoak } from './plan.js';

const callsOf = (plan: Plan) => plan.rounds.flatMap(({ lanes, storm }) => [...lanes.flat(), ...storm]);

it('is the same for the same seed, and another for another', () => {
  const plan = JSON.stringify(planSoak(SHORT_FORM));
  expect(JSON.stringify(planSoak(SHORT_FORM))).toBe(plan);
  expect(JSON.stringify(planSoak({ ...SHORT_FORM, seed: 2 }))).not.toBe(plan);
});

it('has as many calls as were asked for, every kind among them, each of a function that can do it', () => {
  const plan = planSoak(FULL_FORM);
  const calls = callsOf(plan);

  expect(calls).toHaveLength(FULL_FORM.calls);
  expect(plan.functions).toHaveLength(FULL_FORM.functions);
  expect(new Set(calls.map(({ kind }) => kind))).toEqual(new Set(CALL_KINDS));
  expect(calls.filter(({ kind, fn }) => kind.of !== fn.kind)).toEqual([]);
});

it('calls every function, some much more than others', () => {
  const { functions, ...plan } = planSoak(FULL_FORM);
  const counts = functions.map(
    ({ name }) => callsOf({ functions, ...plan }).filter(({ fn }) => fn.name === name).length,
  );

  expect(Math.min(...counts)).toBeGreaterThan(0);
  expect(Math.max(...counts)).toBeGreaterThan(FULL_FORM.calls / 10);
});

it('gives every call a label of its own, so that no answer passes for that of another call', () => {
  const labels = callsOf(planSoak(FULL_FORM)).map(({ label }) => label);
  expect(new Set(labels).size).toBe(labels.length);
});
