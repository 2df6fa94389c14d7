import { MIB } from '@fnfleet/core';
import type { Vitals } from './vitals.js';

/** One thing that must hold at the end of a soak. */
export interface Check {
  readonly what: string;
  readonly found: string;
  readonly wanted: string;
  readonly holds: boolean;
}

/** What a process may hold more of at the end than after the warm-up. */
export const BOUNDS = {
  /** Idle connections come and go. */
  descriptors: 2,
  /** Tables that fill with every function that was ever called, and code that was compiled late. */
  usedBytes: 3 * MIB,
  /** The allocator keeps pages that once were in use. */
  residentBytes: 24 * MIB,
  /** A loop that is blocked, or has thousands of things to look after, does not answer this quickly. */
  answerMs: 50,
} as const;

export function check(what: string, found: unknown, wanted: string, holds: boolean): Check {
  return { what, found: typeof found === 'string' ? found : JSON.stringify(found), wanted, holds };
}

/** Compares a node after all calls with the same node after the warm-up, both times idle. */
export function compareVitals(before: Vitals, after: Vitals): Check[] {
  const { name } = after.node;
  const mib = (bytes: number) => `${(bytes / MIB).toFixed(1)} MiB`;
  const growth = (key: 'descriptors' | 'usedBytes' | 'residentBytes', what: string, show: (value: number) => string) =>
    check(
      `${name}: ${what}`,
      `${show(before[key])} → ${show(after[key])}`,
      `at most ${show(BOUNDS[key])} more`,
      after[key] - before[key] <= BOUNDS[key],
    );
  const grown = Object.entries(after.resources).filter(([kind, count]) => count > (before.resources[kind] ?? 0));
  return [
    growth('descriptors', 'file descriptors', String),
    growth('usedBytes', 'memory in use', mib),
    growth('residentBytes', 'memory resident', mib),
    check(
      `${name}: timers, sockets, servers`,
      grown.map(([kind, count]) => `${kind} ${before.resources[kind] ?? 0} → ${count}`).join(', ') || 'as before',
      `at most ${BOUNDS.descriptors} more of each`,
      grown.every(([kind, count]) => count - (before.resources[kind] ?? 0) <= BOUNDS.descriptors),
    ),
    check(
      `${name}: quickest answer`,
      `${after.answerMs.toFixed(1)} ms`,
      `within ${BOUNDS.answerMs} ms`,
      after.answerMs <= BOUNDS.answerMs,
    ),
  ];
}
