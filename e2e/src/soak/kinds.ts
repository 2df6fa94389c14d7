import { KIB, MIB } from '@fnfleet/core';
import type { Random } from './random.js';

/** What all nodes of the soak are told about sizes. */
export const MAX_REQUEST_BYTES = MIB;
export const MAX_RESPONSE_BYTES = 2 * MIB;

/** Functions differ in what can happen to them; calls that end a function by its limits have functions of their own. */
export type FunctionKind = 'ordinary' | 'hog' | 'slow' | 'broken' | 'unknown';

/** Bytes as a description: a text, repeated up to a length. Thousands of bodies are planned before any is sent. */
export interface Filler {
  readonly text: string;
  readonly bytes: number;
}

export function bytesOf({ text, bytes }: Filler): Buffer {
  return Buffer.alloc(bytes, text);
}

/** How a call must end. */
export type Expectation =
  | {
      readonly status: number;
      readonly body?: Filler;
      readonly bodyBytes?: number;
      readonly message?: string;
      /** The failure may come when bytes are out; then the connection breaks. */
      readonly orBroken?: boolean;
    }
  /** The connection must break: bytes were out when the failure came. */
  | 'broken'
  /** The client left. */
  | 'left';

export interface CallScript {
  readonly knobs?: object;
  /** Sent as it is; knobs travel in a header then. */
  readonly body?: Filler;
  readonly expected: Expectation;
  /** When the client leaves, milliseconds after it called. */
  readonly leaveAfterMs?: number;
}

/** One kind of call: how often, of which functions, and what it is made of. */
export interface CallKind {
  readonly name: string;
  /** Of 1000 calls. */
  readonly weight: number;
  readonly of: FunctionKind;
  script(random: Random, label: string): CallScript;
}

const DIED = { status: 502, message: 'error receiving function response' } as const;

/** Longer than any function may take. */
const FOR_EVER_MS = 300_000;

export const PLAIN = ordinary('plain', 640, (_random, label) => ({
  knobs: { body: label },
  expected: { status: 200, body: whole(label) },
}));

export const CALL_KINDS: readonly CallKind[] = [
  PLAIN,
  ordinary('slow answer', 100, (random, label) => ({
    knobs: { body: label, sleepMs: random.between(5, 120) },
    expected: { status: 200, body: whole(label) },
  })),
  ordinary('echo', 80, (random, label) => {
    const body = { text: label, bytes: random.between(1, 200 * KIB) };
    return { knobs: { echo: true }, body, expected: { status: 200, body } };
  }),
  ordinary('large answer', 50, (random) => {
    const bodyBytes = random.between(20 * KIB, MIB);
    return { knobs: { bodyBytes }, expected: { status: 200, bodyBytes } };
  }),
  ordinary('dripping answer', 30, (random) => {
    const bodyBytes = random.between(2, 8) * KIB;
    return { knobs: { bodyBytes, slowWrite: { bytes: KIB, intervalMs: 4 } }, expected: { status: 200, bodyBytes } };
  }),
  ordinary('function failed', 25, () => ({
    knobs: { status: 502 },
    expected: { status: 502, message: 'function failed' },
  })),
  ordinary('function says timeout', 10, () => ({
    knobs: { status: 504 },
    expected: { status: 504, message: 'Timed out' },
  })),
  ordinary('invalid status', 4, () => ({
    knobs: { status: 418 },
    expected: { status: 502, message: 'invalid function response' },
  })),
  ordinary('crash', 8, () => ({ knobs: { crash: true }, expected: DIED })),
  ordinary('exit', 4, (random) => ({ knobs: { exitCode: random.between(0, 3) }, expected: DIED })),
  ordinary('not HTTP', 4, () => ({ knobs: { garbage: true }, expected: DIED })),
  ordinary('hang up', 3, () => ({ knobs: { hangUp: true }, expected: DIED })),
  ordinary('cut short', 5, () => ({
    knobs: { truncate: 100, body: 'half' },
    expected: { status: 502, message: 'function response ended early', orBroken: true },
  })),
  ordinary('answer too large', 3, () => ({ knobs: { bodyBytes: MAX_RESPONSE_BYTES + KIB }, expected: 'broken' })),
  ordinary('request too large', 5, (_random, label) => ({
    body: { text: label, bytes: MAX_REQUEST_BYTES + 1 },
    expected: { status: 413 },
  })),
  ordinary('client leaves early', 8, (random) => ({
    knobs: { sleepMs: FOR_EVER_MS },
    expected: 'left',
    leaveAfterMs: random.between(10, 300),
  })),
  ordinary('client leaves a quick function', 8, (random) => ({
    knobs: { sleepMs: 60 },
    expected: 'left',
    leaveAfterMs: random.between(1, 30),
  })),
  {
    name: 'timeout',
    weight: 4,
    of: 'slow',
    script: () => ({ knobs: { sleepMs: FOR_EVER_MS }, expected: { status: 504, message: 'Timed out' } }),
  },
  { name: 'memory kill', weight: 4, of: 'hog', script: () => ({ knobs: { hogMb: 256 }, expected: DIED }) },
  { name: 'does not start', weight: 2, of: 'broken', script: () => ({ expected: { status: 502 } }) },
  {
    name: 'unknown function',
    weight: 5,
    of: 'unknown',
    script: () => ({ expected: { status: 404, message: 'Fn not found' } }),
  },
];

function ordinary(name: string, weight: number, script: CallKind['script']): CallKind {
  return { name, weight, of: 'ordinary', script };
}

function whole(text: string): Filler {
  return { text, bytes: Buffer.byteLength(text) };
}
