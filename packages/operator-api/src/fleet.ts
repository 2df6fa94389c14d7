import type { OfShape, Shape } from './json-shape.js';

const TEXT = { optional: 'string' } as const;
const NUMBER = { optional: 'number' } as const;
const TEXTS = { optional: { list: 'string' } } as const;

/** The load of a runner, as balancers and runners show it. */
export const LOAD = {
  fields: {
    /** Differs for each start of the runner. */
    incarnation: TEXT,
    memory_used_bytes: 'number',
    /** The part of the used memory that idle containers hold and eviction frees. */
    memory_idle_bytes: NUMBER,
    memory_total_bytes: 'number',
    cpu_used_millis: 'number',
    cpu_total_millis: 'number',
    active: 'number',
    waiting: 'number',
    draining: 'boolean',
    degraded: 'boolean',
    degraded_reason: TEXT,
  },
} as const satisfies Shape;
export type LoadLine = OfShape<typeof LOAD>;

/** One runner as a balancer sees it. An Fn runner lacks the fields that only runners of fnfleet report. */
const RUNNER_LINE = {
  fields: {
    address: 'string',
    state: 'string',
    /** Why the state is not `ok`, or what is limited. */
    reason: TEXT,
    cordoned: { optional: 'boolean' },
    /** Calls of this balancer in flight at the runner. */
    in_flight: 'number',
    /** Less than 1 during slow start. */
    weight: NUMBER,
    /** Functions that are estimated to have a free hot container on it. */
    warm_functions: 'number',
    name: TEXT,
    version: TEXT,
    http_port: NUMBER,
    hot_functions: NUMBER,
    hot_containers: NUMBER,
    /** Its clock minus the clock of the balancer, and the maximum error of that; milliseconds. */
    clock_skew_ms: NUMBER,
    clock_uncertainty_ms: NUMBER,
    load: { optional: LOAD },
  },
} as const satisfies Shape;
export type RunnerLine = OfShape<typeof RUNNER_LINE>;

const POOL = {
  fields: {
    kind: 'string',
    source: 'string',
    /** Since the source last listed the runners. */
    list_age_ms: NUMBER,
    /** Since a runner joined or left. */
    changed_age_ms: NUMBER,
    failing: 'boolean',
    last_failure: { optional: { fields: { reason: 'string', age_ms: 'number' } } },
    /** Addresses that left the pool and still have calls in flight. */
    leaving: TEXTS,
    refused: { optional: { list: { fields: { address: 'string', reason: 'string' } } } },
  },
} as const satisfies Shape;

/** `GET /fleet` of a balancer: its runners and its API nodes. Earlier releases lack the optional fields. */
export const FLEET = {
  fields: {
    version: TEXT,
    now_ms: NUMBER,
    /** Calls that wait for a runner. */
    waiting: NUMBER,
    in_flight: NUMBER,
    /** An API node at which it looks functions up; `trouble`: why it cannot at any. Only with `?ask=1`. */
    api: { optional: { fields: { url: 'string', trouble: TEXT } } },
    /** Every API node, which one it asks first, and whose changes it follows (`feed`). Only with `?ask=1`. */
    api_nodes: {
      optional: {
        list: { fields: { url: 'string', in_use: 'boolean', feed: { optional: 'boolean' }, trouble: TEXT } },
      },
    },
    pool: { optional: POOL },
    cordons: TEXTS,
    /** Problems with the setup of the fleet, in words. */
    troubles: TEXTS,
    runners: { list: RUNNER_LINE },
  },
} as const satisfies Shape;
export type FleetAnswer = OfShape<typeof FLEET>;
