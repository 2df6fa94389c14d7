import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/**
 * Tests wait for other processes here, and nowhere without a limit. A wait that fails says what did not come, and what the
 * processes that the test has started wrote last.
 */

/** Generous: it only says when to give up. Shorter than what a test or its set-up may take in `e2e`. */
const LIMIT_MS = 60_000;
/** Shorter than the usual limit of a test in `packages`, which is a minute. */
const SHORT_LIMIT_MS = 45_000;
const RETRY_MS = 20;
const POLL_MS = 50;
const TIMER_ERROR_MS = 2;
const WITNESSES = 16;
const LINES = 15;
const CHARACTERS = 3_000;

/** A process whose last lines may explain why something did not come. */
export interface Witness {
  readonly name: string;
  /** All that it has written. */
  readonly log: string;
}

/** Of this test file, the oldest first. */
const witnesses = new Set<Witness>();

/** Shows what a process writes with every wait that fails, until {@link dismissWitness}. One that ends by itself stays. */
export function callWitness(witness: Witness): void {
  witnesses.add(witness);
  const [oldest] = witnesses;
  if (witnesses.size > WITNESSES && oldest !== undefined) witnesses.delete(oldest);
}

export function dismissWitness(witness: Witness): void {
  witnesses.delete(witness);
}

/**
 * Waits for work, but not longer than `ms`.
 * @throws Error that says what did not come in time. The work itself goes on.
 */
export async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(missing(what, ms))), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

interface UntilOptions<T> {
  /** What is awaited, for the message when it does not come. */
  readonly what: string;
  readonly look: () => T | undefined | Promise<T | undefined>;
  /** Default one minute. */
  readonly withinMs?: number;
}

/**
 * Looks until there is something to see: for what other processes do without a message.
 * @throws Error when it is not there in time, or when a look fails
 */
export async function until<T>({ what, look, withinMs = LIMIT_MS }: UntilOptions<T>): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const leftMs = Math.max(1, deadline - performance.now());
    const seen = await within(leftMs, what, Promise.resolve(look()));
    if (seen !== undefined) return seen;
    if (performance.now() > deadline) throw new Error(missing(what, withinMs));
    await pause(POLL_MS);
  }
}

/**
 * Retries until it succeeds.
 * @param withinMs default 45 s
 * @throws the error of the last attempt, or one that says that an attempt did not end
 */
export async function eventually<T>(act: () => T | Promise<T>, withinMs = SHORT_LIMIT_MS): Promise<T> {
  const deadline = performance.now() + withinMs;
  let last: unknown;
  for (;;) {
    const leftMs = Math.max(1, deadline - performance.now());
    try {
      return await within(leftMs, `an attempt after ${last ?? 'none'}`, attempt(act));
    } catch (error) {
      // Timers may fire a moment early.
      if (performance.now() + TIMER_ERROR_MS >= deadline) throw error;
      last = error;
      await pause(RETRY_MS);
    }
  }
}

/** Sends a signal and waits until the process has ended. @throws Error when it does not end in time; it is killed then */
export async function end(child: ChildProcess, signal: NodeJS.Signals, withinMs = SHORT_LIMIT_MS): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill(signal);
  try {
    await within(withinMs, `the end of ${child.spawnargs.join(' ')} after ${signal}`, exit);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

async function attempt<T>(act: () => T | Promise<T>): Promise<T> {
  return act();
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function missing(what: string, ms: number): string {
  const parts = [...witnesses].map(({ name, log }) => `--- ${name}:\n${lastLines(log)}`);
  return [`${what}: not within ${Math.round(ms)} ms`, ...parts].join('\n');
}

function lastLines(log: string): string {
  return log.trimEnd().slice(-CHARACTERS).split('\n').slice(-LINES).join('\n') || '(nothing)';
}
