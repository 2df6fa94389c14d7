import { KIB } from '@fnfleet/core';
import type { Random } from '../soak/random.js';

/** Faults are drawn for each process from the seed, so that a run can be repeated as far as the machine allows. */
export interface ChaosOptions {
  readonly seed: number;
  /** At least so many calls are accepted while processes are killed. */
  readonly calls: number;
  /** After this time nothing more is sent or killed; the run has failed if fewer calls were accepted. */
  readonly minutes: number;
  readonly clients: number;
  /** Accepted calls that have not begun to run, beyond which clients pause: most calls then run while processes are killed. */
  readonly backlog: number;
  /** Each process is killed so often. */
  readonly kills: Range;
  /** A process is killed when so many more calls have begun to run, so that a slow machine gets anywhere; or after this time, so that a fleet in which nothing runs is not left in peace. */
  readonly runs: Range;
  readonly upMs: number;
  /** How long it stays away. */
  readonly downMs: Range;
  /** How many of 100 faults of the balancer suspend it for longer than its leases instead of killing it. */
  readonly suspensions: number;
  readonly leaseMs: number;
  /** Calls that run at a time: a runner that was killed starts as many containers anew. */
  readonly consumers: number;
}

export interface Range {
  readonly min: number;
  readonly max: number;
}

/** What `npm run chaos -- async` does. */
export const FULL_FORM: ChaosOptions = {
  seed: 1,
  calls: 10_000,
  minutes: 240,
  clients: 32,
  backlog: 400,
  kills: { min: 10, max: Number.POSITIVE_INFINITY },
  runs: { min: 1, max: 1_200 },
  upMs: 120_000,
  downMs: { min: 0, max: 1_500 },
  suspensions: 10,
  leaseMs: 6_000,
  consumers: 24,
};

/** For every change: the same in small. */
export const SHORT_FORM: ChaosOptions = {
  ...FULL_FORM,
  calls: 200,
  minutes: 60,
  clients: 8,
  backlog: 60,
  kills: { min: 3, max: 3 },
  runs: { min: 1, max: 80 },
  upMs: 6_000,
  downMs: { min: 0, max: 500 },
  suspensions: 0,
  leaseMs: 4_000,
  consumers: 5,
};

/** A function that is killed at its timeout, and one that is not. */
export type TargetFunction = 'patient' | 'hasty';
/** Also on a busy machine, a new container reports within this time that it runs the call. */
export const HASTY_TIMEOUT_S = 3;

export interface PlannedCall {
  /** The function is told, and reports it: it says which call it was, whatever its id. */
  readonly label: string;
  readonly kind: string;
  readonly fn: TargetFunction;
  readonly knobs: Readonly<Record<string, unknown>>;
  /** Bytes beside the knobs. */
  readonly padding: number;
  /** How it must end unless it is cancelled. */
  readonly end: 'success' | 'error';
  /** Sent with an idempotency key, and repeated until it is accepted. */
  readonly keyed: boolean;
  /** Its client cancels it so long after the 202. */
  readonly cancelAfterMs: number | undefined;
}

interface CallKind {
  readonly name: string;
  /** Of 1 000. */
  readonly weight: number;
  readonly draw: (random: Random) => Partial<PlannedCall>;
}

const KINDS: readonly CallKind[] = [
  { name: 'quick', weight: 620, draw: (random) => ({ knobs: { sleepMs: random.between(0, 30) } }) },
  { name: 'slow', weight: 150, draw: (random) => ({ knobs: { sleepMs: random.between(200, 1_500) } }) },
  { name: 'keyed', weight: 70, draw: (random) => ({ knobs: { sleepMs: random.between(0, 30) }, keyed: true }) },
  { name: 'large', weight: 50, draw: (random) => ({ padding: random.between(20 * KIB, 200 * KIB) }) },
  { name: 'fails', weight: 40, draw: () => ({ knobs: { status: 502 }, end: 'error' }) },
  { name: 'kills its container', weight: 15, draw: () => ({ knobs: { crash: true }, end: 'error' }) },
  { name: 'hangs', weight: 10, draw: () => ({ fn: 'hasty', knobs: { sleepMs: 60_000 }, end: 'error' }) },
  {
    name: 'is cancelled',
    weight: 45,
    draw: (random) => ({ knobs: { sleepMs: random.between(0, 1_500) }, cancelAfterMs: random.between(0, 600) }),
  },
];

const WEIGHTS = KINDS.map(({ weight }) => weight);

export function planCall(random: Random, label: string): PlannedCall {
  const { name, draw } = random.pick(KINDS, WEIGHTS);
  const base = { label, kind: name, fn: 'patient', knobs: {}, padding: 0, end: 'success' } as const;
  return { ...base, keyed: false, cancelAfterMs: undefined, ...draw(random) };
}
