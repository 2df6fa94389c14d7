import { SCHEDULE_ANNOTATION, SCHEDULE_TYPE } from '@fnfleet/core';
import type { Annotations, TriggerRef, TriggerSpec } from '../api-client.js';
import { isSchedule } from '../deploy/plan-triggers.js';

type Source = Omit<TriggerSpec, 'name'>;

/** Values of options about what calls a function. */
export interface GivenSource {
  readonly annotation?: Annotations;
  readonly source?: string;
  readonly schedule?: string;
  readonly timeZone?: string;
  readonly catchUp?: string;
  readonly body?: unknown;
  readonly pause?: boolean;
  readonly resume?: boolean;
}

/**
 * What `fnfleet create trigger` creates: a path or a schedule.
 * @throws Error when neither or both are given
 */
export function newSource(given: GivenSource): Source {
  const { source, schedule, annotation } = given;
  if ((source === undefined) === (schedule === undefined)) {
    throw new Error('expected either --source, for a path, or --schedule, for calls at given times');
  }
  if (schedule === undefined) {
    refuseOptions(given, 'a path');
    return { type: 'http', source: source ?? '', annotations: annotation };
  }
  return { type: SCHEDULE_TYPE, source: schedule, annotations: withOptions(undefined, given) };
}

/**
 * What `fnfleet update trigger` changes. Options of a schedule that are not given stay as they are.
 * @throws Error when an option is for the other type
 */
export function changedSource(trigger: TriggerRef, given: GivenSource): Partial<Source> {
  const { source, schedule, annotation, pause, resume } = given;
  if (pause && resume) throw new Error('--pause and --resume exclude each other');
  if (!isSchedule(trigger)) {
    refuseOptions(given, 'a path');
    return { source, annotations: annotation };
  }
  if (source !== undefined) throw new Error(`trigger ${trigger.name} is a schedule: use --schedule`);
  return { source: schedule, annotations: withOptions(trigger, given) };
}

/** In words. */
export function firesAt({ next_fire_at: next }: TriggerRef): string {
  return next === undefined ? 'it is paused' : `it fires next at ${next.replace(/\.000Z$/, 'Z')}`;
}

function withOptions(trigger: TriggerRef | undefined, given: GivenSource): Source['annotations'] {
  const options = optionsOf(given);
  const { pause, resume, annotation } = given;
  if (Object.keys(options).length === 0 && !pause && !resume) return annotation;
  const before = (annotation?.[SCHEDULE_ANNOTATION] ?? trigger?.annotations?.[SCHEDULE_ANNOTATION] ?? {}) as object;
  const { paused, ...others } = before as { readonly paused?: unknown };
  const isPaused = pause ? true : resume ? undefined : paused;
  const after = { ...others, ...options, ...(isPaused !== undefined && { paused: isPaused }) };
  // An empty text removes an annotation.
  return { ...annotation, [SCHEDULE_ANNOTATION]: Object.keys(after).length === 0 ? '' : after };
}

function refuseOptions(given: GivenSource, what: string): void {
  if (given.schedule === undefined && !given.pause && !given.resume && Object.keys(optionsOf(given)).length === 0)
    return;
  throw new Error(
    `${what} has no times: --schedule, --time-zone, --catch-up, --body, --pause and --resume are for schedules`,
  );
}

function optionsOf({ timeZone, catchUp, body }: GivenSource): object {
  return {
    ...(timeZone !== undefined && { time_zone: timeZone }),
    ...(catchUp !== undefined && { catch_up: catchUp }),
    ...(body !== undefined && { body }),
  };
}
