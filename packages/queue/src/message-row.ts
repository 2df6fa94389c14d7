import { wallMs } from '@fnfleet/core';
import type { CallRecord, CallState, FollowUp, PastDelivery, Priority, Reason } from './message-queue.js';
import type { TimeMark } from './queue-time.js';
import { DEFAULT_RETRY_POLICY, type RetryPolicy } from './retry-policy.js';

/** Values of the state of a call in a table; the first two wait. */
export const READY = 0;
export const DELAYED = 1;
export const RUNNING = 2;
export const SUCCESS = 3;
export const DEAD = 4;
export const CANCELLED = 5;

/** Their names. */
export const STATES: readonly CallState[] = ['ready', 'delayed', 'running', 'success', 'dead', 'cancelled'];

/** What a table has of a call. */
export interface MessageRow {
  readonly seq: number;
  readonly call_id: string;
  readonly fn: number;
  readonly priority: Priority;
  readonly state: number;
  readonly due: number | null;
  readonly expires_at: number | null;
  readonly max_age: number | null;
  readonly policy: string | null;
  readonly attempt: number;
  readonly failures: number;
  readonly deliveries: number;
  readonly token: string | null;
  readonly holder: string | null;
  readonly lease_ms: number | null;
  readonly accepted_at: number;
  readonly accepted_wall: number;
  readonly started_wall: number | null;
  readonly ended_wall: number | null;
  readonly reason: string | null;
  /** JSON of FollowUps. */
  readonly follow_ups: string | null;
}

/** What is pushed when a call ends. */
export interface FollowUps {
  readonly success?: FollowUp;
  readonly failure?: FollowUp;
}

export function messageRow(row: object | undefined): MessageRow | undefined {
  return row as MessageRow | undefined;
}

export function policyOf({ policy }: MessageRow): RetryPolicy {
  return policy === null ? DEFAULT_RETRY_POLICY : JSON.parse(policy);
}

/** @param now without it, the record does not say when a delayed call becomes ready */
export function recordOf(row: MessageRow, fnId: string, history: readonly PastDelivery[], now?: TimeMark): CallRecord {
  const isDelayed = row.state === DELAYED && row.due !== null && now !== undefined;
  const wall = (ms: number | null) => (ms === null ? undefined : wallMs(ms));
  return {
    callId: row.call_id,
    fnId,
    state: STATES[row.state] ?? 'dead',
    priority: row.priority,
    attempts: row.attempt,
    failures: row.failures,
    acceptedAt: wallMs(row.accepted_wall),
    startedAt: wall(row.started_wall),
    endedAt: wall(row.ended_wall),
    nextAt: isDelayed ? wallMs(now.wall + Math.max(0, Number(row.due) - now.at)) : undefined,
    reason: reasonOf(row.reason),
    history,
  };
}

export function pastDelivery(row: Readonly<Record<string, unknown>>): PastDelivery {
  return {
    attempt: Number(row.attempt),
    holder: String(row.holder),
    startedAt: wallMs(Number(row.started_wall)),
    endedAt: wallMs(Number(row.ended_wall)),
    end: row.ending as PastDelivery['end'],
    reason: reasonOf(row.reason as string | null),
  };
}

function reasonOf(json: string | null): Reason | undefined {
  return json === null ? undefined : JSON.parse(json);
}
