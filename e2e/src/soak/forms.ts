import type { SoakOptions } from './plan.js';

/** What `npm run soak` does. */
export const FULL_FORM: SoakOptions = {
  seed: 1,
  calls: 20_000,
  functions: 60,
  roundCalls: 1_000,
  clients: 10,
  stormCalls: 30,
  idleTimeoutSeconds: 10,
};

/** For every change: the same in small. */
export const SHORT_FORM: SoakOptions = {
  ...FULL_FORM,
  calls: 400,
  functions: 20,
  roundCalls: 200,
  clients: 6,
  stormCalls: 14,
  idleTimeoutSeconds: 5,
};
