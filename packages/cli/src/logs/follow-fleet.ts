import { type Clock, systemClock } from '@fnfleet/core';
import type { CollectorSession, RunnerTls } from '@fnfleet/protocol';
import { followRunner } from './follow-runner.js';
import type { FleetLine } from './format-line.js';
import { LineMerger } from './line-merger.js';

export interface FollowFleetOptions {
  readonly runners: readonly string[];
  /** Undefined: they speak plain text. */
  readonly tls?: RunnerTls;
  /** How a session with one is had; over gRPC unless given. */
  readonly collect?: (address: string) => (session: CollectorSession) => Promise<void>;
  readonly fnId: string;
  /** Lines of the past to begin with, of each runner. */
  readonly tail: number;
  readonly follow: boolean;
  readonly onLine: (line: FleetLine) => void;
  /** Resolves when more lines can be taken. */
  readonly ready: () => Promise<void>;
  readonly onNotice: (text: string) => void;
  readonly clock?: Clock;
  readonly signal: AbortSignal;
}

/**
 * Shows the output of a function on all runners, in the order of time as far as lines arrive together. Goes on as long as
 * one of the runners can be followed.
 * @throws Error that says why the runners, or without `follow` one of them, cannot be followed
 */
export async function followFleet(options: FollowFleetOptions): Promise<void> {
  const { runners, tls, collect, fnId, tail, follow, ready, onNotice, clock = systemClock, signal } = options;
  const merger = new LineMerger<FleetLine>(clock, options.onLine);
  const following = runners.map((address) =>
    followRunner({
      address,
      tls,
      collect: collect?.(address),
      fnId,
      tail,
      follow,
      clock,
      signal,
      onNotice,
      onBatch: ({ lines, dropped }) => {
        if (dropped > 0) onNotice(`runner ${address} dropped ${dropped} lines that could not be taken in time`);
        merger.push(lines.map((line) => ({ ...line, runner: address })));
        return ready();
      },
    }).catch((error: Error) => {
      if (runners.length > 1) onNotice(error.message);
      return error;
    }),
  );
  const failures = (await Promise.all(following)).filter((end) => end instanceof Error);
  merger.flush();
  const [failure] = failures;
  if (failure === undefined || (follow && failures.length < runners.length)) return;
  throw runners.length === 1
    ? failure
    : new Error(`${failures.length} of ${runners.length} runners could not be asked`);
}
