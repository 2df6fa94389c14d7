import { createHash } from 'node:crypto';
import {
  encodeId,
  encodeQueuedRequest,
  epochMs,
  formatDateSeconds,
  type HeaderMap,
  type Trigger,
  type WallMs,
} from '@fnfleet/core';
import type { Schedule } from '@fnfleet/core/resources';
import type { NewMessage } from '@fnfleet/queue';

/**
 * The asynchronous call of a firing. Its id is the same whoever makes it, so that a queue accepts it once.
 * @param at the instant that fires
 */
export function callOfFiring(trigger: Trigger, schedule: Schedule, at: WallMs, now: WallMs): NewMessage {
  const { body, contentType, spreadSeconds } = schedule.options;
  const bytes = bodyOf(body);
  const type = contentType ?? (body === undefined || typeof body === 'string' ? undefined : 'application/json');
  const headers: HeaderMap = {
    'Fn-Schedule-Id': [trigger.id],
    'Fn-Schedule-Due': [formatDateSeconds(at)],
    ...(type !== undefined && { 'Content-Type': [type] }),
  };
  return {
    callId: callIdOf(trigger.id, at),
    fnId: trigger.fnId,
    head: encodeQueuedRequest({
      method: 'POST',
      url: `/invoke/${trigger.fnId}`,
      headers,
      triggerId: '',
      createdAt: now,
    }),
    body: bytes,
    ...(spreadSeconds > 0 && { delayMs: shareOf(trigger.id) * spreadSeconds * 1_000 }),
  };
}

/** In the form of other call ids, and in their order if the firing is in time: 80 bits tell it from those of the same instant. */
function callIdOf(triggerId: string, at: WallMs): string {
  const hash = createHash('sha256')
    .update(`${triggerId}\n${epochMs(at)}`)
    .digest();
  const [a, b, c, d] = hash;
  return encodeId(epochMs(at), `${a}.${b}.${c}.${d}`, hash.readUInt16BE(4), hash.readUInt32BE(6));
}

/** From 0 to 1: the same for all firings of a schedule. */
function shareOf(triggerId: string): number {
  return createHash('sha256').update(triggerId).digest().readUInt32BE(0) / 2 ** 32;
}

function bodyOf(body: unknown): Buffer {
  if (body === undefined) return Buffer.alloc(0);
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}
