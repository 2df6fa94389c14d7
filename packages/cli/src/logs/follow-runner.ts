import { type Clock, epochMs, printableLine } from '@fnfleet/core';
import {
  type CollectorSession,
  collectLogs,
  GRPC_STATUS,
  type LogBatch,
  type RunnerTls,
  StreamError,
} from '@fnfleet/protocol';

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 10_000;
/** More than a runner keeps: requests everything that was missed in an outage. */
const ALL_LINES = 1_000_000_000;
/** Characters of what a runner says when it refuses. */
const MAX_REASON = 1000;
/** Without `follow`: maximum time without data from a runner, milliseconds. */
const MAX_SILENCE_MS = 30_000;

export interface FollowOptions {
  /** `host:port` of the runner. */
  readonly address: string;
  readonly tls?: RunnerTls;
  /** Opens a log session with the runner; over gRPC by default. */
  readonly collect?: (session: CollectorSession) => Promise<void>;
  readonly fnId: string;
  /** Number of earlier lines to start with. */
  readonly tail: number;
  /** Continue until the signal aborts, through outages of the runner. */
  readonly follow: boolean;
  readonly onBatch: (batch: LogBatch) => void | Promise<void>;
  /** Receives notices about the state of the runner. */
  readonly onNotice: (text: string) => void;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Follows the output of a function on one runner.
 * @throws Error that says why it cannot be followed; with `follow` only for permanent reasons
 */
export async function followRunner(options: FollowOptions): Promise<void> {
  const { address, tls, collect = collectLogs, follow, onNotice, clock, signal } = options;
  let last: number | undefined;
  let outages = 0;
  while (!signal.aborted) {
    try {
      await collectOnce({
        collect,
        address,
        tls,
        config: configOf(options, last),
        signal,
        clock,
        maxSilenceMs: follow ? undefined : MAX_SILENCE_MS,
        onOpen: () => {
          if (outages > 0) onNotice(`runner ${address} is back`);
          outages = 0;
        },
        onBatch: (batch) => {
          for (const { at } of batch.lines) last = Math.max(last ?? 0, epochMs(at));
          return options.onBatch(batch);
        },
      });
      if (!follow || signal.aborted) return;
      onNotice(`runner ${address} ended the stream; retrying`);
    } catch (error) {
      const reason = explain(error, address);
      if (!follow || isFinal(error)) throw new Error(reason, { cause: error });
      if (outages === 0) onNotice(`${reason}; retrying`);
    }
    outages += 1;
    await clock.sleep(Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (outages - 1)), signal);
  }
}

/** @throws Error also when no data arrives for `maxSilenceMs` */
async function collectOnce({
  clock,
  maxSilenceMs,
  collect,
  ...session
}: CollectorSession & {
  clock: Clock;
  maxSilenceMs: number | undefined;
  collect: (session: CollectorSession) => Promise<void>;
}): Promise<void> {
  if (maxSilenceMs === undefined) return collect(session);
  const silent = new AbortController();
  const watch = () => clock.after(maxSilenceMs, () => silent.abort());
  let timer = watch();
  try {
    await collect({
      ...session,
      signal: AbortSignal.any([session.signal, silent.signal]),
      onBatch: async (batch) => {
        timer.cancel();
        await session.onBatch(batch);
        timer = watch();
      },
    });
  } finally {
    timer.cancel();
  }
  if (silent.signal.aborted) throw new Error(`no data for ${maxSilenceMs} ms`);
}

function configOf({ fnId, tail, follow }: FollowOptions, last: number | undefined): Record<string, string> {
  const past: Record<string, string> =
    last === undefined ? { tail: `${tail}` } : { tail: `${ALL_LINES}`, since: `${last}` };
  return { fn_id: fnId, follow: `${follow}`, ...past };
}

/** Whether a retry would fail in the same way. */
function isFinal(error: unknown): boolean {
  const codes: readonly number[] = [GRPC_STATUS.UNKNOWN, GRPC_STATUS.UNIMPLEMENTED, GRPC_STATUS.INVALID_ARGUMENT];
  return error instanceof StreamError && codes.includes(error.code);
}

function explain(error: unknown, address: string): string {
  if (!(error instanceof StreamError)) return `runner ${address}: ${reasonIn(error as Error)}`;
  switch (error.code) {
    case GRPC_STATUS.UNAVAILABLE:
      return `runner ${address} cannot be reached, or the connection was lost`;
    case GRPC_STATUS.UNIMPLEMENTED:
      return `runner ${address} runs a release without StreamLogs`;
    case GRPC_STATUS.UNKNOWN:
      return `runner ${address} does not collect the output of functions (${reasonIn(error)})`;
    default:
      return `runner ${address}: ${reasonIn(error)}`;
  }
}

function reasonIn({ message }: Error): string {
  return printableLine(message, MAX_REASON);
}
