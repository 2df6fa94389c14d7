import { Cron } from 'croner';
import { epochMs, type WallMs, wallMs } from '../clock.js';
import type { Annotations } from '../models/call.js';
import { SCHEDULE_ANNOTATION } from '../models/own-annotations.js';
import type { Trigger } from '../models/trigger.js';
import { maxBytes, notEmpty, type Rule } from './rules.js';

/** What happens with firings that are missed because no API node with a queue ran at their time. */
export type CatchUp = 'none' | 'one' | 'all';
const CATCH_UPS: readonly CatchUp[] = ['none', 'one', 'all'];

/** Longer expressions have no meaning that a shorter one has not. */
const MAX_EXPRESSION_BYTES = 256;
/** Names of time zones have up to 32 characters. Offsets such as +02:00 are none: what a zone does about summer is the point of it. */
const MAX_TIME_ZONE = 64;
const TIME_ZONE = /^[A-Za-z][\w/+-]*$/;
const MAX_CONTENT_TYPE = 128;
const MAX_SPREAD_SECONDS = 3_600;
/** Five or six fields with blanks between them, or a nickname such as @daily. */
const EXPRESSION = /^(?:@[a-z]+|[!-~]+(?: +[!-~]+){4,5})$/;
const CONTENT_TYPE = /^[!-~][ -~]*$/;
/** Why croner reports an expression that is valid and has no instant. */
const NEVER = 'it never fires';

/** The options of a schedule, in its annotation `fnfleet/schedule`. */
export interface ScheduleOptions {
  /** IANA name; UTC by default. */
  readonly timeZone: string;
  readonly catchUp: CatchUp;
  /** Body of the calls; a text as it is, anything else as JSON. */
  readonly body: unknown;
  readonly contentType: string | undefined;
  /** Calls start up to this much after their instant, each schedule with a delay of its own. */
  readonly spreadSeconds: number;
  readonly paused: boolean;
}

/**
 * When a trigger of type `schedule` fires. Instants are whole seconds.
 *
 * When clocks are set forward, a schedule of fixed times (no `*` and no step in seconds, minutes and hours) fires at the end of
 * the gap for the times in it, once; others leave those times out. When clocks are set back, one of fixed times fires at the
 * first of two equal times; others fire at both.
 */
export class Schedule {
  private readonly cron: Cron;

  private constructor(
    expression: string,
    readonly options: ScheduleOptions,
  ) {
    this.cron = cronOf(expression, options.timeZone);
  }

  /** @throws Error when the trigger was stored by other means and is not valid */
  static of({ source, annotations }: Pick<Trigger, 'source' | 'annotations'>): Schedule {
    const options = optionsOf(annotations[SCHEDULE_ANNOTATION]);
    if (typeof options === 'string') throw new Error(options);
    return new Schedule(source, options);
  }

  /** The first instant after another one; undefined if there is none, or the schedule is paused. */
  next(after: WallMs): WallMs | undefined {
    if (this.options.paused) return undefined;
    const next = this.cron.nextRun(new Date(epochMs(after)));
    return next === null ? undefined : wallMs(next.getTime());
  }

  /** The last instants up to and including `until`, at most `limit`; the oldest first. */
  last(until: WallMs, limit: number): readonly WallMs[] {
    const end = epochMs(until);
    // Croner excludes the second in which the reference is.
    const runs = this.cron.previousRuns(limit + 1, new Date(end + 1_000));
    return runs
      .map((run) => run.getTime())
      .filter((at) => at <= end)
      .slice(0, limit)
      .reverse()
      .map(wallMs);
  }
}

/** Whether two versions of a trigger fire at the same instants. */
export function hasSameTimes(one: Trigger, other: Trigger): boolean {
  const facts = ({ source, annotations }: Trigger) => JSON.stringify([source, annotations[SCHEDULE_ANNOTATION]]);
  return facts(one) === facts(other);
}

/** Rules for the source of a schedule: a cron expression. */
export const EXPRESSION_RULES: readonly Rule<string>[] = [
  notEmpty('triggerSourceMissing'),
  maxBytes(MAX_EXPRESSION_BYTES, 'scheduleTooLong'),
  {
    code: 'scheduleInvalid',
    violation: (source) => {
      const problem = problemOfExpression(source);
      return problem === undefined ? undefined : { problem };
    },
  },
];

/** Rules for the annotations of a schedule. They see no expression, so its time zone is checked with any. */
export const SCHEDULE_ANNOTATION_RULES: readonly Rule<Annotations>[] = [
  {
    code: 'scheduleOptionsInvalid',
    violation: ({ [SCHEDULE_ANNOTATION]: value }) => {
      const options = optionsOf(value);
      return typeof options === 'string' ? { problem: options } : undefined;
    },
    says: {
      properties: {
        [SCHEDULE_ANNOTATION]: {
          description: 'Of a schedule: its time zone, what it does about missed firings, and what its calls contain.',
          type: 'object',
          properties: {
            time_zone: { type: 'string', maxLength: MAX_TIME_ZONE, default: 'UTC', examples: ['Europe/Berlin'] },
            catch_up: { enum: CATCH_UPS, default: 'none' },
            body: { description: 'Body of the calls: a text as it is, anything else as JSON.' },
            content_type: { type: 'string', maxLength: MAX_CONTENT_TYPE },
            spread_seconds: { type: 'integer', minimum: 0, maximum: MAX_SPREAD_SECONDS, default: 0 },
            paused: { type: 'boolean', default: false },
          },
          additionalProperties: false,
        },
      },
    },
  },
];

function cronOf(expression: string, timezone: string): Cron {
  return new Cron(expression, { timezone, mode: '5-or-6-parts', fixedTimeRule: 'no-wildcard', paused: true });
}

function problemOfExpression(source: string): string | undefined {
  if (!EXPRESSION.test(source)) {
    return 'expected five fields (minute, hour, day, month, weekday), or six with seconds first, or a nickname such as @daily';
  }
  try {
    // Whether there is an instant depends neither on the time zone nor on when one asks.
    if (cronOf(source, 'UTC').nextRun(new Date(0)) === null) return NEVER;
  } catch (error) {
    return inWords((error as Error).message).slice(0, 200);
  }
  return undefined;
}

/** A field as owners call it, its first value, and its last one. */
const FIELDS: Readonly<Record<string, readonly [name: string, first: number, last: number]>> = {
  second: ['second', 0, 59],
  minute: ['minute', 0, 59],
  hour: ['hour', 0, 23],
  day: ['day', 1, 31],
  nearestWeekdays: ['day', 1, 31],
  month: ['month', 1, 12],
  dayOfWeek: ['weekday', 0, 7],
};

/** Croner counts days and months from 0 in its messages. */
function inWords(problem: string): string {
  const [, of = '', index = ''] = /^CronPattern: Invalid value for (\w+): (-?\d+)$/.exec(problem) ?? [];
  const field = FIELDS[of];
  if (field === undefined) return problem.replace(/^CronPattern: /, '');
  const [name, first, last] = field;
  return `${name} ${Number(index) + first} is not one of ${first} to ${last}`;
}

const OPTIONS: Readonly<Record<string, (value: unknown) => string | undefined>> = {
  time_zone: (value) => {
    if (typeof value !== 'string' || value.length > MAX_TIME_ZONE) return 'time_zone should be a name such as UTC';
    return isTimeZone(value) ? undefined : `time_zone ${JSON.stringify(value)} is unknown`;
  },
  catch_up: (value) =>
    CATCH_UPS.includes(value as CatchUp) ? undefined : `catch_up should be one of ${CATCH_UPS.join(', ')}`,
  // Bounded with the annotation.
  body: () => undefined,
  content_type: (value) =>
    typeof value === 'string' && value.length <= MAX_CONTENT_TYPE && CONTENT_TYPE.test(value)
      ? undefined
      : 'content_type should be a media type',
  spread_seconds: (value) =>
    Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_SPREAD_SECONDS
      ? undefined
      : `spread_seconds should be a whole number between 0 and ${MAX_SPREAD_SECONDS}`,
  paused: (value) => (typeof value === 'boolean' ? undefined : 'paused should be true or false'),
};

/** @returns what is wrong with the annotation, if anything is */
function optionsOf(value: unknown = {}): ScheduleOptions | string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'expected an object';
  const given = value as Readonly<Record<string, unknown>>;
  for (const [key, option] of Object.entries(given)) {
    const check = Object.hasOwn(OPTIONS, key) ? OPTIONS[key] : undefined;
    if (check === undefined) return `${JSON.stringify(key)} is unknown; known: ${Object.keys(OPTIONS).join(', ')}`;
    const problem = check(option);
    if (problem !== undefined) return problem;
  }
  return {
    timeZone: (given.time_zone as string | undefined) ?? 'UTC',
    catchUp: (given.catch_up as CatchUp | undefined) ?? 'none',
    body: given.body,
    contentType: given.content_type as string | undefined,
    spreadSeconds: (given.spread_seconds as number | undefined) ?? 0,
    paused: given.paused === true,
  };
}

function isTimeZone(name: string): boolean {
  if (!TIME_ZONE.test(name)) return false;
  try {
    cronOf('@daily', name).nextRun();
    return true;
  } catch {
    return false;
  }
}
