import type { Clock } from '@fnfleet/core';
import type { OutboundCall } from '@fnfleet/protocol';
import type { RunnerList, RunnerPool } from '../runner.js';

/** Lists the runners for a call. A pool that fails counts as empty, with the failure as its error. Never rejects. */
export function listOf(
  call: OutboundCall,
  pool: RunnerPool,
  clock: Clock,
  leftMs: () => number,
  signal: AbortSignal,
): RunnerList | Promise<RunnerList> {
  try {
    const list = pool.runners(call);
    return list instanceof Promise ? withinSearch(list, clock, leftMs(), signal).catch(failed) : list;
  } catch (error) {
    return failed(error);
  }
}

function failed(error: unknown): RunnerList {
  return { runners: [], error: error instanceof Error ? error : new Error(String(error)) };
}

/** A pool that hangs must not hold the call beyond its time limit. */
async function withinSearch(
  list: Promise<RunnerList>,
  clock: Clock,
  maxMs: number,
  signal: AbortSignal,
): Promise<RunnerList> {
  const over = new AbortController();
  const stop = () => over.abort();
  signal.addEventListener('abort', stop);
  try {
    const late = clock.sleep(maxMs, over.signal).then((): RunnerList => ({ runners: [] }));
    return await Promise.race([list, late]);
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}
