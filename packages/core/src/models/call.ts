import type { WallMs } from '../clock.js';
import { FnError } from '../errors/fn-error.js';
import type { HeaderMap } from '../headers.js';

/** `async`: it comes from a queue, and nobody waits for its response. */
export type CallType = 'sync' | 'detached' | 'async';
export type CallStatus = 'queued' | 'running' | 'success' | 'error' | 'timeout' | 'cancelled';

/** Annotation values are any JSON; they are part of the slot key. */
export type Annotations = Record<string, unknown>;
export type Config = Record<string, string>;

/**
 * One invocation: what to run and within which limits. The balancer creates it and the runner executes it.
 * Units are those of the wire, so that nothing is converted twice: seconds and megabytes (1 048 576 bytes).
 */
export interface Call {
  readonly id: string;
  readonly image: string;
  readonly type: CallType;
  readonly fnId: string;
  readonly appId: string;
  readonly appName: string;
  /** Empty for a direct invoke. */
  readonly triggerId: string;
  /** The method of the caller's request, for information only; the function always receives POST /call. */
  readonly method: string;
  readonly url: string;
  headers: HeaderMap;
  /** The environment of the container. */
  config: Config;
  annotations: Annotations;
  syslogUrl: string;
  timeoutSeconds: number;
  idleTimeoutSeconds: number;
  memoryMb: number;
  /** 0: no limit. */
  tmpfsMb: number;
  /** Thousandths of a core; 0: no limit. */
  cpuMillis: number;
  status: CallStatus;
  /** Text of the error if the status is `error`. */
  error?: string;
  /** Instants of events that have happened. */
  createdAt: WallMs | undefined;
  startedAt: WallMs | undefined;
  completedAt: WallMs | undefined;
}

/** How a call ended. `error` is never undefined. */
export type CallOutcome = { readonly kind: 'completed' } | { readonly kind: 'failed'; readonly error: unknown };

export const COMPLETED: CallOutcome = { kind: 'completed' };

/** The outcome of a call that failed because of anything thrown. */
export function failedCall(thrown: unknown): CallOutcome {
  return { kind: 'failed', error: thrown ?? new FnError('internal') };
}

/** The error of a call that failed; undefined if it completed. */
export function errorOf(outcome: CallOutcome): unknown {
  return outcome.kind === 'failed' ? outcome.error : undefined;
}
