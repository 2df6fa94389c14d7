import { isDeepStrictEqual } from 'node:util';
import { isDeployedAnnotation, SCHEDULE_ANNOTATION, SCHEDULE_TYPE } from '@fnfleet/core';
import type { TriggerRef, TriggerSpec } from '../api-client.js';
import { isDeployedTrigger } from './managed.js';
import { bySource } from './source-order.js';

/** The changes that bring the triggers of a function in line with its func.yaml, in an order that works. */
export interface TriggerPlan {
  readonly create: readonly TriggerSpec[];
  readonly change: readonly { readonly existing: TriggerRef; readonly spec: TriggerSpec }[];
  /** The desired state. */
  readonly keep: readonly TriggerRef[];
  /** Triggers of the function that func.yaml does not name. */
  readonly surplus: readonly TriggerRef[];
}

/**
 * Matches triggers by name; a path with a new name in func.yaml is matched by its source, and renamed.
 * @param fnId undefined: the function does not exist yet
 * @param existing triggers of the app
 * @throws Error when two paths would have the same source, or a trigger another type
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
      own.find((trigger) => isSamePath(trigger, spec) && !named.has(trigger.name));
    if (match === undefined) continue;
    if (isSchedule(match) !== isSchedule(spec)) {
      throw new Error(
        `trigger ${spec.name} has the type ${match.type}, which never changes: delete it, or name this one differently`,
      );
    }
    matched.set(spec, match);
  }
  const pairs = [...matched].map(([spec, trigger]) => ({ existing: trigger, spec }));
  const kept = new Set(matched.values());
  for (const spec of wanted) {
    const holder = existing.find((trigger) => isSamePath(trigger, spec));
    if (holder === undefined || kept.has(holder)) continue;
    const whose =
      holder.fn_id === fnId ? 'this function, which func.yaml does not name' : 'another function of the app';
    throw new Error(
      `the source ${spec.source} of trigger ${spec.name} is already used by trigger ${holder.name} of ${whose}`,
    );
  }
  const changes = pairs.filter((pair) => !isAsWanted(pair));
  const { ordered, blocking } = bySource(
    changes.map((pair) => ({ item: pair, from: pathOf(pair.existing), to: pathOf(pair.spec) })),
  );
  if (blocking.length > 0) {
    const moving = changes.filter(({ existing, spec }) => existing.source !== spec.source).map(({ spec }) => spec.name);
    throw new Error(
      `triggers exchange their sources (${moving.join(', ')}); deploy one of them with another source first`,
    );
  }
  // Create triggers last: another one may have to release the source first.
  return {
    create: wanted.filter((spec) => !matched.has(spec)),
    change: ordered,
    keep: pairs.filter(isAsWanted).map(({ existing: trigger }) => trigger),
    surplus: own.filter((trigger) => !kept.has(trigger)),
  };
}

type Pair = TriggerPlan['change'][number];

/** A trigger that somebody else created becomes ours once func.yaml names it. */
function isAsWanted({ existing, spec }: Pair): boolean {
  const isSame = existing.name === spec.name && existing.source === spec.source;
  // Options that func.yaml does not have are removed; other annotations stay.
  const given = Object.keys(spec.annotations ?? {}).filter((key) => !isDeployedAnnotation(key));
  const compared = isSchedule(spec) ? [...given, SCHEDULE_ANNOTATION] : given;
  const hasSame = (key: string) => isDeepStrictEqual(existing.annotations?.[key], spec.annotations?.[key]);
  return isSame && isDeployedTrigger(existing) && compared.every(hasSame);
}

export function isSchedule({ type }: { readonly type?: string }): boolean {
  return type === SCHEDULE_TYPE;
}

function isSamePath(trigger: TriggerRef, spec: TriggerSpec): boolean {
  return trigger.source === spec.source && !isSchedule(trigger) && !isSchedule(spec);
}

/** What a trigger occupies in its app: a schedule nothing. */
export function pathOf({
  type,
  name,
  source,
}: {
  readonly type?: string;
  readonly name: string;
  readonly source: string;
}) {
  return isSchedule({ type }) ? `schedule ${name}` : source;
}
