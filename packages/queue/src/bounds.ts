/** What a queue may hold. Beyond the first five, a push is refused; everything else still works, and makes room. */
export interface QueueBounds {
  /** Maximum size of the body of a call. */
  readonly maxBodyBytes: number;
  /** Maximum size of the head of a call. */
  readonly maxHeadBytes: number;
  /** Maximum number of calls that wait, run or are dead. */
  readonly maxMessages: number;
  /** Maximum size of the store. */
  readonly maxBytes: number;
  /** Maximum number of idempotency keys that are known. */
  readonly maxKeys: number;
  /** Maximum number of calls that ended and are still known; the oldest are forgotten. */
  readonly maxRecords: number;
  /** How much of the body of a result and of a log is kept; a longer head is not kept. */
  readonly maxResultBytes: number;
  /** Maximum number of past deliveries in the history of a call; the oldest are forgotten, those that were given back before others. */
  readonly maxHistory: number;
  /** How long calls that succeeded or were cancelled are known. */
  readonly keepMs: number;
  /** How long dead calls are known. */
  readonly keepDeadMs: number;
  /** How long an idempotency key is known. */
  readonly keepKeyMs: number;
}

const DAY_MS = 24 * 3_600_000;

export const DEFAULT_BOUNDS: QueueBounds = {
  maxBodyBytes: 1024 * 1024,
  maxHeadBytes: 64 * 1024,
  maxMessages: 2_000_000,
  maxBytes: 16 * 1024 ** 3,
  maxKeys: 2_000_000,
  maxRecords: 1_000_000,
  maxResultBytes: 64 * 1024,
  maxHistory: 20,
  keepMs: DAY_MS,
  keepDeadMs: 14 * DAY_MS,
  keepKeyMs: DAY_MS,
};

/** Idempotency keys, holders and ids are short texts. */
export const MAX_TEXT = 256;
/** Whether every store has a text with these characters, and finds it again. */
export function isText(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}

/** Bounds of one reservation, whatever it asks for. */
export const MAX_RESERVED = 1_000;
/** Functions of which a reservation may say how many calls its holder has. */
export const MAX_HELD = 1_000;
export const MAX_RESERVED_BYTES = 16 * 1024 * 1024;
/** How much of the message of a reason is kept. */
export const MAX_REASON = 2_000;
