import type { LbCall } from '../call/lb-call.js';

/** Hears of every call of an agent. */
export interface LbCallListener {
  /** The call is about to be placed. Throwing ends it with that error, and `afterCall` is not called for it. */
  beforeCall?(call: LbCall): void | Promise<void>;
  /** The call has ended, however it did; its model says how. Errors are logged and go no further. */
  afterCall?(call: LbCall): void | Promise<void>;
}
