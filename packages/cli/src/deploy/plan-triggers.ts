import type { TriggerRef, TriggerSpec } from '../api-client.js';
import { isDeployedTrigger } from './managed.js';

/** What has to be done for the triggers of a function to be those of its func.yaml, in an order that works. */
export interface TriggerPlan {
  readonly create: readonly TriggerSpec[];
  readonly change: readonly { readonly existing: TriggerRef; readonly spec: TriggerSpec }[];
  /** As they should be. */
  readonly keep: readonly TriggerRef[];
  /** The function's own that func.yaml does not name. */
  readonly surplus: readonly TriggerRef[];
}

/**
 * A trigger is found by its name; one that has a new name in func.yaml by its source, and is renamed.
 * @param fnId undefined: the function is not there yet
 * @param existing triggers of the app
 * @throws Error when two of them would have one source
 */
export function planTriggers(
  fnId: string | undefined,
  wanted: readonly TriggerSpec[],
  existing: readonly TriggerRef[],
): TriggerPlan {
  const own = existing.filter((trigger) => trigger.fn_id === fnId);
  const named = new Set(wanted.map(({ name }) => name));
  const matched = new Map<TriggerSpec, TriggerRef>();
  for (const spec of wanted) {
    const match =
      own.find(({ name }) => name === spec.name) ??
      own.find(({ name, source }) => source === spec.source && !named.has(name));
    if (match !== undefined) matched.set(spec, match);
  }
  const pairs = [...matched].map(([spec, trigger]) => ({ existing: trigger, spec }));
  const kept = new Set(matched.values());
  for (const spec of wanted) {
    const holder = existing.find(({ source }) => source === spec.source);
    if (holder === undefined || kept.has(holder)) continue;
    const whose =
      holder.fn_id === fnId ? 'this function, which func.yaml does not name' : 'another function of the app';
    throw new Error(`the source ${spec.source} of trigger ${spec.name} is that of trigger ${holder.name} of ${whose}`);
  }
  const { changes, taken } = inOrder(pairs);
  // One that is made takes a source last: another may have to leave it first.
  if (changes === undefined) {
    throw new Error(
      `triggers exchange their sources (${taken.join(', ')}); deploy one of them with another source first`,
    );
  }
  return {
    create: wanted.filter((spec) => !matched.has(spec)),
    change: changes,
    keep: pairs.filter(isAsWanted).map(({ existing: trigger }) => trigger),
    surplus: own.filter((trigger) => !kept.has(trigger)),
  };
}

type Pair = TriggerPlan['change'][number];

/** One that somebody else has made, and that func.yaml has now, becomes ours. */
function isAsWanted({ existing, spec }: Pair): boolean {
  return existing.name === spec.name && existing.source === spec.source && isDeployedTrigger(existing);
}

/** Each takes its source after the one that has it now has left it. Undefined: some wait for each other. */
function inOrder(pairs: readonly Pair[]): { changes?: readonly Pair[]; taken: readonly string[] } {
  const changes: Pair[] = [];
  let waiting = pairs.filter((pair) => !isAsWanted(pair));
  while (waiting.length > 0) {
    const held = new Set(waiting.map(({ existing }) => existing.source));
    const free = waiting.filter(({ existing, spec }) => existing.source === spec.source || !held.has(spec.source));
    if (free.length === 0) return { taken: waiting.map(({ spec }) => spec.name) };
    changes.push(...free);
    waiting = waiting.filter((pair) => !free.includes(pair));
  }
  return { changes, taken: [] };
}
