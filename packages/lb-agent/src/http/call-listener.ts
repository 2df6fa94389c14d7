import type { LbCall } from '../call/lb-call.js';

/** Receives the calls of an agent. */
export interface LbCallListener {
  /** Called before the call is placed. If it throws, the call fails with that error, and `afterCall` is not called. */
  beforeCall?(call: LbCall): void | Promise<void>;
  /** Called after the call has ended in any way; its model has the result. Errors are only logged. */
  afterCall?(call: LbCall): void | Promise<void>;
}
