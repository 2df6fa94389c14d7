import { until } from '@fnfleet/testing';
import { fetch } from '../harness/requests.js';
import type { CallJson } from './judge.js';

/** After the last fault, something happens again and again until all calls have ended: the last lease expires, and calls that fail are retried. */
const STANDSTILL_MS = 180_000;
/** Calls that never end, although they run again and again. */
const DRAIN_MS = 3_600_000;
/** A call that goes from one state to another between two requests is seen in the next look. */
const QUIET_LOOKS = 4;
const READERS = 16;

/** What an API node answers; an Error while it has no queue, as for a moment after its start. */
async function answer(url: string): Promise<{ readonly status: 200 | 404; readonly json: unknown } | Error> {
  try {
    const response = await fetch(url);
    const text = await response.text();
    const { status } = response;
    return status === 200 || status === 404
      ? { status, json: JSON.parse(text) }
      : new Error(`${url}: ${status} ${text}`);
  } catch (error) {
    return error as Error;
  }
}

/**
 * Waits as long as calls go from one state to another: how long they take together depends on the machine.
 * @returns in words what has not ended when nothing had changed for so long, or why that is not known
 */
export async function untilEnded(apiUrl: string, standstillMs = STANDSTILL_MS): Promise<string[]> {
  let known: string[] = [];
  let changedAt = performance.now();
  let quiet = 0;
  const look = async () => {
    const open: string[] = [];
    for (const status of ['queued', 'delayed', 'running']) {
      const list = await answer(`${apiUrl}/v2/calls?per_page=10&status=${status}`);
      if (list instanceof Error) open.push(list.message);
      else {
        const { items } = list.json as { readonly items: readonly { readonly id: string }[] };
        open.push(...items.map(({ id }) => `call ${id}, ${status}`));
      }
    }
    const hasChanged = open.join() !== known.join();
    if (hasChanged) changedAt = performance.now();
    known = open;
    quiet = open.length === 0 ? quiet + 1 : 0;
    const standsStill = !hasChanged && open.length > 0 && performance.now() - changedAt >= standstillMs;
    return quiet === QUIET_LOOKS || standsStill ? true : undefined;
  };
  await until({ what: 'all calls end', withinMs: DRAIN_MS, look }).catch(() => undefined);
  return known;
}

/**
 * @returns what the API node knows of calls, without those that it does not know
 * @throws Error if it does not say
 */
export async function readRecords(apiUrl: string, callIds: readonly string[]): Promise<Map<string, CallJson>> {
  const records = new Map<string, CallJson>();
  const left = [...callIds];
  const read = async (callId: string) => {
    const look = async () => {
      const found = await answer(`${apiUrl}/v2/calls/${callId}`);
      return found instanceof Error ? undefined : found;
    };
    const { status, json } = await until({ what: `the API node tells about call ${callId}`, look });
    if (status === 200) records.set(callId, json as CallJson);
  };
  await Promise.all(
    Array.from({ length: READERS }, async () => {
      for (let callId = left.pop(); callId !== undefined; callId = left.pop()) await read(callId);
    }),
  );
  return records;
}
