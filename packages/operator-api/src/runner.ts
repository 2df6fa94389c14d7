import { LOAD } from './fleet.js';
import type { OfShape, Shape } from './json-shape.js';

const FUNCTION_LINE = {
  fields: { fn_id: 'string', hot: 'number', idle: 'number', starting: 'number', waiting: 'number' },
} as const satisfies Shape;
export type FunctionLine = OfShape<typeof FUNCTION_LINE>;

/** `GET /runner`: the state of a runner. */
export const RUNNER = {
  fields: {
    name: 'string',
    /** Differs for each start of the runner. */
    incarnation: { optional: 'string' },
    version: { optional: 'string' },
    state: 'string',
    reason: { optional: 'string' },
    grpc_address: 'string',
    now_ms: 'number',
    /** Calls from their offer to their end. */
    in_hand: 'number',
    load: { optional: LOAD },
    functions: { list: FUNCTION_LINE },
  },
} as const satisfies Shape;
export type RunnerAnswer = OfShape<typeof RUNNER>;
