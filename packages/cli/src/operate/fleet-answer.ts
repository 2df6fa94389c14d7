import type { Shape } from '../access/json-shape.js';

/** The shape of an answer whose content does not matter. */
export const ANYTHING: Shape = { fields: {} };

/** The part of the `GET /fleet` answer of a balancer that commands read. Earlier releases lack some fields. */
export interface FleetAnswer {
  readonly version?: string;
  readonly now_ms?: number;
  /** Calls that wait for a runner. */
  readonly waiting?: number;
  readonly in_flight?: number;
  /** The API node at which it looks functions up; `trouble`: why it cannot. Only with `?ask=1`. */
  readonly api?: { readonly url: string; readonly trouble?: string };
  readonly pool?: {
    readonly kind: string;
    readonly source: string;
    readonly failing: boolean;
    readonly last_failure?: { readonly reason: string; readonly age_ms: number };
    readonly leaving?: readonly string[];
    readonly refused?: readonly { readonly address: string; readonly reason: string }[];
  };
  readonly cordons?: readonly string[];
  readonly troubles?: readonly string[];
  readonly runners: readonly RunnerLine[];
}

/** One runner as a balancer sees it. An Fn runner lacks the fields that only runners of fnfleet report. */
export interface RunnerLine {
  readonly address: string;
  readonly state: string;
  readonly reason?: string;
  readonly cordoned?: boolean;
  /** Calls of this balancer in flight at the runner. */
  readonly in_flight: number;
  readonly warm_functions: number;
  readonly name?: string;
  readonly version?: string;
  readonly http_port?: number;
  readonly hot_functions?: number;
  readonly hot_containers?: number;
  /** Its clock minus the clock of the balancer, and the maximum error of that; milliseconds. */
  readonly clock_skew_ms?: number;
  readonly clock_uncertainty_ms?: number;
  readonly load?: LoadLine;
}

export interface LoadLine {
  readonly memory_used_bytes: number;
  /** The part of the used memory that idle containers hold and eviction frees. */
  readonly memory_idle_bytes?: number;
  readonly memory_total_bytes: number;
  readonly cpu_used_millis: number;
  readonly cpu_total_millis: number;
  readonly active: number;
  readonly waiting: number;
  readonly draining: boolean;
  readonly degraded: boolean;
  readonly degraded_reason?: string;
}

/** The part of the `GET /runner` answer of a runner that commands read. */
export interface RunnerAnswer {
  readonly name: string;
  readonly state: string;
  readonly reason?: string;
  readonly grpc_address: string;
  readonly now_ms: number;
  readonly in_hand: number;
  readonly functions: readonly FunctionLine[];
}

export interface FunctionLine {
  readonly fn_id: string;
  readonly hot: number;
  readonly idle: number;
  readonly starting: number;
  readonly waiting: number;
}

const TEXT: Shape = { optional: 'string' };
const NUMBER: Shape = { optional: 'number' };
const TEXTS: Shape = { optional: { list: 'string' } };

const LOAD: Shape = {
  fields: {
    memory_used_bytes: 'number',
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
};

const RUNNER: Shape = {
  fields: {
    address: 'string',
    state: 'string',
    reason: TEXT,
    cordoned: { optional: 'boolean' },
    in_flight: 'number',
    warm_functions: 'number',
    name: TEXT,
    version: TEXT,
    http_port: NUMBER,
    hot_functions: NUMBER,
    hot_containers: NUMBER,
    clock_skew_ms: NUMBER,
    clock_uncertainty_ms: NUMBER,
    load: { optional: LOAD },
  },
};

const POOL: Shape = {
  fields: {
    kind: 'string',
    source: 'string',
    failing: 'boolean',
    last_failure: { optional: { fields: { reason: 'string', age_ms: 'number' } } },
    leaving: TEXTS,
    refused: { optional: { list: { fields: { address: 'string', reason: 'string' } } } },
  },
};

/** The shape of a FleetAnswer. */
export const FLEET: Shape = {
  fields: {
    version: TEXT,
    now_ms: NUMBER,
    waiting: NUMBER,
    in_flight: NUMBER,
    api: { optional: { fields: { url: 'string', trouble: TEXT } } },
    pool: { optional: POOL },
    cordons: TEXTS,
    troubles: TEXTS,
    runners: { list: RUNNER },
  },
};
