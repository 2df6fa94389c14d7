import type { PlannedCall } from './plan.js';
import type { Run } from './run-recorder.js';

/** As the API shows it. */
export interface CallJson {
  readonly status: string;
  readonly attempts: number;
  readonly failures: number;
  readonly error?: string;
  readonly history: readonly { readonly attempt: number; readonly end: string; readonly error?: string }[];
  readonly result?: { readonly status: number; readonly body: string };
  readonly request?: { readonly body: string };
}

/** A call that was answered with 202. */
export interface AcceptedCall {
  readonly callId: string;
  readonly call: PlannedCall;
  /** What its client was told when it cancelled it; undefined if it did not. */
  readonly cancel?: 'cancelled' | 'ended' | 'unanswered' | undefined;
}

export interface Evidence {
  readonly accepted: readonly AcceptedCall[];
  /** By call id; those that the API does not know are missing. */
  readonly records: ReadonlyMap<string, CallJson>;
  /** Also of calls whose clients do not know that they were accepted. */
  readonly runs: readonly Run[];
}

export interface Verdict {
  readonly counts: {
    readonly accepted: number;
    readonly succeeded: number;
    readonly dead: number;
    readonly cancelled: number;
    /** Not known any more, or not ended. */
    readonly lost: number;
    /** Ran more than once. */
    readonly ranAgain: number;
    /** Of those, calls whose function did not fail: their lease expired, or the platform failed. */
    readonly ranAgainUnasked: number;
    readonly expiredLeases: number;
    readonly givenBack: number;
    /** Calls that ran although no client was told that they are accepted. */
    readonly untold: number;
  };
  readonly violations: readonly Violation[];
}

export interface Violation {
  readonly callId: string;
  readonly what: string;
}

/** The default policy. */
const FAILURES_UNTIL_DEAD = 3;
/** Longer histories are cut. */
const WHOLE_HISTORY = 20;
const ENDED = ['success', 'error', 'cancelled'];

/**
 * Compares what clients were told, what the functions have run, and what the API knows at the end.
 *
 * J1  An accepted call is known, and has ended.
 * J2  It ended as its function behaves: `success` with the bytes that were sent, a dead letter with its body and after as many
 *     failures as its policy wants, `cancelled` only if its client wanted that, and certainly if it was told so.
 * J3  Each attempt has exactly one end in the history, from 1 to the last. A call that succeeded ran in its last attempt, which
 *     completed; one that died ran.
 * J4  No attempt runs twice, and none beyond the last.
 * J5  A call that has run runs again only if the history says why: that attempt's lease expired, or it failed, and if the
 *     function does not fail by itself, then that is not counted as a failure: it was the platform's.
 * J6  An idempotency key stands for one call.
 */
export function judge({ accepted, records, runs }: Evidence): Verdict {
  const runsOf = groupedBy(runs, ({ callId }) => callId);
  const violations: Violation[] = [];
  const counts = { accepted: accepted.length, succeeded: 0, dead: 0, cancelled: 0, lost: 0, ranAgain: 0 };
  const more = { ranAgainUnasked: 0, expiredLeases: 0, givenBack: 0 };
  for (const one of accepted) {
    const { callId, call } = one;
    const record = records.get(callId);
    const ran = runsOf.get(callId) ?? [];
    const wrong =
      record === undefined
        ? ['lost: accepted, and not known any more']
        : ENDED.includes(record.status)
          ? [...wrongEnd(one, record), ...wrongHistory(record, ran), ...wrongRuns(one, record, ran)]
          : [`lost: accepted, and still ${record.status}`];
    violations.push(...wrong.map((what) => ({ callId, what: `${call.kind} ${call.label}: ${what}` })));
    if (record?.status === 'success') counts.succeeded += 1;
    else if (record?.status === 'error') counts.dead += 1;
    else if (record?.status === 'cancelled') counts.cancelled += 1;
    else counts.lost += 1;
    if (ran.length > 1) counts.ranAgain += 1;
    if (ran.length > 1 && call.end === 'success') more.ranAgainUnasked += 1;
    for (const { end } of record?.history ?? []) {
      if (end === 'lease_expired') more.expiredLeases += 1;
      if (end === 'given_back') more.givenBack += 1;
    }
  }
  violations.push(...wrongKeys(accepted, runs));
  const told = new Set(accepted.map(({ callId }) => callId));
  const untold = [...runsOf.keys()].filter((callId) => !told.has(callId)).length;
  return { counts: { ...counts, ...more, untold }, violations };
}

/** J2 */
function wrongEnd({ call, cancel }: AcceptedCall, record: CallJson): string[] {
  const { status, failures, result, request } = record;
  if (cancel === 'cancelled' && status !== 'cancelled') return [`cancelled with 204, but it is ${status}`];
  if (status === 'cancelled') {
    return cancel === undefined || cancel === 'ended' ? ['cancelled, although its client did not cancel it'] : [];
  }
  if (status !== call.end) return [`ended as ${status} and not as ${call.end}: ${record.error ?? ''}`];
  if (status === 'success') return result?.body === call.label ? [] : [`its result is ${result?.body.slice(0, 100)}`];
  const wrong: string[] = [];
  if (failures !== FAILURES_UNTIL_DEAD) wrong.push(`dead after ${failures} failures`);
  if (!request?.body.includes(call.label)) wrong.push(`the dead letter has the body ${request?.body.slice(0, 100)}`);
  return wrong;
}

/** J3 */
function wrongHistory({ status, attempts, history }: CallJson, ran: readonly Run[]): string[] {
  const wrong: string[] = [];
  const ends = history.filter(({ end }) => end !== 'given_back');
  if (history.length < WHOLE_HISTORY) {
    const found = ends.map(({ attempt }) => attempt).join();
    const expected = Array.from({ length: attempts }, (_, at) => at + 1).join();
    if (found !== expected) wrong.push(`${attempts} attempts, and ends of attempts ${found || 'none'}`);
  }
  const last = ends.at(-1)?.end;
  if (status === 'success' && last !== 'completed') wrong.push(`success, but its last attempt ended as ${last}`);
  if (status === 'error' && last !== 'dead') wrong.push(`dead, but its last attempt ended as ${last}`);
  const hasRunLast = ran.some(({ attempt }) => attempt === attempts);
  if (status === 'success' && !hasRunLast) wrong.push(`success, but attempt ${attempts} never ran`);
  if (status === 'error' && ran.length === 0) wrong.push('dead, but it never ran');
  return wrong;
}

/** J4, J5 */
function wrongRuns({ call }: AcceptedCall, record: CallJson, ran: readonly Run[]): string[] {
  const wrong: string[] = [];
  for (const [attempt, runs] of groupedBy(ran, (run) => run.attempt)) {
    if (runs.length > 1) wrong.push(`duplicate: attempt ${attempt} ran ${runs.length} times`);
    if (!(attempt >= 1 && attempt <= record.attempts)) {
      wrong.push(`duplicate: ran as attempt ${attempt}, but it has ${record.attempts}`);
    }
    if (attempt === record.attempts || record.history.length >= WHOLE_HISTORY) continue;
    const ends = record.history.filter((past) => past.attempt === attempt).map(({ end }) => end);
    const mayRunAgain = ends.some((end) => end === 'lease_expired' || end === 'retried');
    if (!mayRunAgain)
      wrong.push(`duplicate: ran again although attempt ${attempt} ended as ${ends.join() || 'nothing'}`);
  }
  if (call.end === 'success' && record.failures > 0) {
    wrong.push(`${record.failures} failures are counted, but its function does not fail`);
  }
  return wrong;
}

/** J6 */
function wrongKeys(accepted: readonly AcceptedCall[], runs: readonly Run[]): Violation[] {
  const keyed = new Map(
    accepted.filter(({ call }) => call.keyed).map(({ call, callId }) => [call.label, callId] as const),
  );
  return runs
    .filter(({ label, callId }) => keyed.has(label) && keyed.get(label) !== callId)
    .map(({ label, callId }) => ({
      callId,
      what: `duplicate: keyed ${label} ran with this id, but its key stands for ${keyed.get(label)}`,
    }));
}

function groupedBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}
