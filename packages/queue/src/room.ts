import type { QueueBounds } from './bounds.js';
import type { FunctionEntry } from './function-entry.js';
import { Refusal } from './operations.js';

/** A function may have at most this many times as many calls, or keys, as there is room left: alone, eight ninths of the queue. */
const MAX_GREED = 8;

/** What a queue has of all functions together. */
export interface Occupied {
  readonly calls: number;
  readonly keys: number;
  readonly bytes: number;
}

/**
 * Whether a function may have another call, which may have an idempotency key.
 * @throws Refusal `queueFull`, or `queueShareFull` if there is room, but not for this function
 */
export function checkRoom(entry: FunctionEntry, hasKey: boolean, occupied: Occupied, bounds: QueueBounds): void {
  const { maxMessages, maxBytes } = bounds;
  const { calls, bytes } = occupied;
  if (calls >= maxMessages) throw full(`it has ${maxMessages} calls`);
  if (hasKey) checkRoomForKey(entry, occupied, bounds);
  if (bytes >= maxBytes) throw full(`it has ${maxBytes} bytes`);
  // Of the bytes, a function is taken to have as large a part as of the calls.
  const own = entry.waiting + entry.running + entry.dead;
  const left = Math.min(maxMessages - calls, ((maxBytes - bytes) / bytes) * calls);
  if (own > MAX_GREED * left) throw shareFull(`${own} of its ${calls} calls`);
}

function checkRoomForKey({ keys: own }: FunctionEntry, { keys }: Occupied, { maxKeys }: QueueBounds): void {
  if (keys >= maxKeys) throw full(`it has ${maxKeys} idempotency keys`);
  if (own > MAX_GREED * (maxKeys - keys)) throw shareFull(`${own} of its ${keys} idempotency keys`);
}

function full(what: string): Refusal {
  return new Refusal('queueFull', { what });
}

function shareFull(has: string): Refusal {
  return new Refusal('queueShareFull', { what: `it has ${has}, and the queue keeps room for others` });
}
