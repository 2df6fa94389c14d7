import { FnError, type Frame, parseBody } from '@fnfleet/core';
import type { Delivery, Lease, Priority, ReserveRequest } from '@fnfleet/queue';

/** How many calls an API node leases at a time. */
export const MAX_RESERVED = 1_000;
export const NO_BODY = new Uint8Array();

/** What a reservation says to an API node. */
export function asked({ holder, limit, leaseMs, perFunction, held }: ReserveRequest): object {
  const named = { holder, limit: Math.min(limit, MAX_RESERVED), lease_ms: leaseMs };
  return { ...named, per_function: perFunction, held: held && [...held] };
}

/**
 * The answers to ends of calls.
 * @throws FnError `queueUnavailable` if there is not one for each end
 */
export function answersOf(said: ReturnType<typeof parseBody>, ends: readonly Frame[]): readonly unknown[] {
  const answers = said.raw('answers');
  if (!Array.isArray(answers) || answers.length !== ends.length) throw new FnError('queueUnavailable');
  return answers;
}

export function namesOf({ callId, token }: Lease): object {
  return { call_id: callId, token };
}

/** A leased call. One that cannot be read is left to its lease: those that were leased together with it do not pay for it. */
export function readable(frame: Frame): Delivery[] {
  try {
    return [deliveryOf(frame)];
  } catch {
    return [];
  }
}

/** @throws FnError `invalidJson` */
function deliveryOf({ head, body }: Frame): Delivery {
  const fields = parseBody(head);
  const callId = fields.text('call_id');
  const token = fields.text('token');
  const fnId = fields.text('fn_id');
  if (!callId || !token || !fnId) throw new FnError('invalidJson');
  return {
    lease: { callId, token },
    fnId,
    attempt: fields.whole('attempt', 1, 2 ** 31) ?? 1,
    priority: (fields.whole('priority', 0, 2) ?? 0) as Priority,
    ageMs: fields.whole('age_ms', 0, Number.MAX_SAFE_INTEGER) ?? 0,
    head: fields.text('head') ?? '{}',
    body,
  };
}
