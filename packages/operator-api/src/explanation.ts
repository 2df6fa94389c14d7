import type { OfShape, Shape } from './json-shape.js';

const TEXT = { optional: 'string' } as const;

/** What the last runner of a call reported. The container's part is zero when it was hot. */
const TIMINGS = {
  fields: {
    waited_ms: 'number',
    image_pull_ms: 'number',
    container_prepare_ms: 'number',
    container_create_ms: 'number',
    container_init_ms: 'number',
    executed_ms: 'number',
  },
} as const satisfies Shape;

/** `GET /explain/:call_id` of a balancer: what became of a call. Durations and instants in milliseconds since it arrived. */
export const EXPLANATION = {
  fields: {
    call_id: 'string',
    fn_id: 'string',
    app_id: 'string',
    type: TEXT,
    /** The trace that the call is part of. */
    trace_id: TEXT,
    /** ISO 8601. */
    arrived_at: 'string',
    /** `under way`, `answered` or `failed`. */
    state: 'string',
    error: TEXT,
    ended_at_ms: { optional: 'number' },
    events: { list: { fields: { at_ms: 'number', event: 'string', runner: TEXT, text: TEXT } } },
    /** Number of events that were not kept. */
    omitted: 'number',
    on_runner: { optional: TIMINGS },
  },
} as const satisfies Shape;
export type Explanation = OfShape<typeof EXPLANATION>;
