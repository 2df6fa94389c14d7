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

/** What changes of a call after it was accepted. */
export type RowChanges = Partial<
  Omit<MessageRow, 'seq' | 'call_id' | 'fn' | 'priority' | 'max_age' | 'policy' | 'follow_ups'>
>;

/** The end of a delivery; the call has its beginning. */
export interface KeptDelivery {
  readonly endedWall: number;
  readonly end: PastDelivery['end'];
  /** JSON of a Reason. */
  readonly reason: string | null;
}

/** What is pushed when a call ends. */
export interface FollowUps {
  readonly success?: FollowUp;
  readonly failure?: FollowUp;
}

/** The columns of a MessageRow, in the order in which `messageOf` takes their values. */
export const MESSAGE_COLUMNS = `seq, call_id, fn, priority, state, due, expires_at, max_age, policy, attempt, failures, deliveries,
  token, holder, lease_ms, accepted_at, accepted_wall, started_wall, ended_wall, reason, follow_ups`;

/** Objects of one shape, unlike those that SQLite makes of rows, which V8 copies and reads slowly. */
export function messageOf(values: readonly unknown[]): MessageRow {
  const row: Record<keyof MessageRow, unknown> = {
    seq: values[0],
    call_id: values[1],
    fn: values[2],
    priority: values[3],
    state: values[4],
    due: values[5],
    expires_at: values[6],
    max_age: values[7],
    policy: values[8],
    attempt: values[9],
    failures: values[10],
    deliveries: values[11],
    token: values[12],
    holder: values[13],
    lease_ms: values[14],
    accepted_at: values[15],
    accepted_wall: values[16],
    started_wall: values[17],
    ended_wall: values[18],
    reason: values[19],
    follow_ups: values[20],
  };
  return row as unknown as MessageRow;
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

/** The only delivery of a call that succeeded is not kept, because its row says the same. */
export function historyOf(row: MessageRow, kept: readonly PastDelivery[]): readonly PastDelivery[] {
  if (row.state !== SUCCESS || row.deliveries !== 1 || kept.length > 0) return kept;
  return [pastDelivery({ ...row, ending: 'completed', reason: null })];
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
