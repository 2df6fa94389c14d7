// takes: 5 s
import { epochMs, later, wallMs } from '../clock.js';
import { FnError } from '../errors/fn-error.js';
import { SCHEDULE_ANNOTATION } from '../models/own-annotations.js';
import { completeTrigger, type Trigger } from '../models/trigger.js';
import { Schedule } from './schedule.js';
import { changedTrigger, newTrigger } from './trigger.js';

const NOW = wallMs(Date.UTC(2026, 2, 1));
const place = { name: 't', appId: 'a', fnId: 'f', type: 'schedule' };
const made = (source: string, options?: unknown): Trigger =>
  newTrigger(
    { ...place, source, annotations: options === undefined ? {} : { [SCHEDULE_ANNOTATION]: options } },
    'id',
    NOW,
  );

function refusal(make: () => unknown): string {
  try {
    make();
  } catch (error) {
    if (error instanceof FnError) return `${error.code}: ${error.message}`;
  }
  throw new Error('nothing was refused');
}

function instants(source: string, timeZone: string, from: string, number: number): string[] {
  const schedule = Schedule.of(made(source, { time_zone: timeZone }));
  const found: string[] = [];
  for (let at = wallMs(Date.parse(from)); found.length < number; ) {
    const next = schedule.next(at);
    if (next === undefined) break;
    found.push(new Date(epochMs(next)).toISOString().slice(0, 16));
    at = next;
  }
  return found;
}

describe('a schedule', () => {
  it.each`
    what                         | source                            | code
    ${'no expression'}           | ${''}                             | ${'triggerSourceMissing'}
    ${'a path'}                  | ${'/path'}                        | ${'scheduleInvalid'}
    ${'four fields'}             | ${'* * * *'}                      | ${'scheduleInvalid'}
    ${'seven fields'}            | ${'* * * * * * *'}                | ${'scheduleInvalid'}
    ${'a minute that is none'}   | ${'60 * * * *'}                   | ${'scheduleInvalid'}
    ${'a day that never comes'}  | ${'0 0 30 2 *'}                   | ${'scheduleInvalid'}
    ${'days that never come'}    | ${'0 0 31 4,6,9,11 *'}            | ${'scheduleInvalid'}
    ${'the start of a machine'}  | ${'@reboot'}                      | ${'scheduleInvalid'}
    ${'an unknown nickname'}     | ${'@never'}                       | ${'scheduleInvalid'}
    ${'a date'}                  | ${'2027-01-01T00:00'}             | ${'scheduleInvalid'}
    ${'a line break'}            | ${'0 3 * * *\n'}                  | ${'scheduleInvalid'}
    ${'digits of other scripts'} | ${'0 3 * * \u0661'}               | ${'scheduleInvalid'}
    ${'too many characters'}     | ${`0 ${'3,'.repeat(200)}3 * * *`} | ${'scheduleTooLong'}
  `('with $what is refused', ({ source, code }) => {
    expect(refusal(() => made(source))).toMatch(new RegExp(`^${code}: `));
  });

  it.each`
    source           | says
    ${'60 * * * *'}  | ${'minute 60 is not one of 0 to 59'}
    ${'* 24 * * *'}  | ${'hour 24 is not one of 0 to 23'}
    ${'* * 0 * *'}   | ${'day 0 is not one of 1 to 31'}
    ${'* * 32 * *'}  | ${'day 32 is not one of 1 to 31'}
    ${'* * * 13 *'}  | ${'month 13 is not one of 1 to 12'}
    ${'* * * * 8'}   | ${'weekday 8 is not one of 0 to 7'}
    ${'* * 32W * *'} | ${'day 32 is not one of 1 to 31'}
  `('is refused with a message that names the field that is wrong in $source', ({ source, says }) => {
    expect(refusal(() => made(source))).toContain(says);
  });

  it.each`
    what                           | options                                   | says
    ${'a text'}                    | ${'daily'}                                | ${'expected an object'}
    ${'a list'}                    | ${['UTC']}                                | ${'expected an object'}
    ${'an unknown key'}            | ${{ timezone: 'UTC' }}                    | ${'"timezone" is unknown'}
    ${'a key that objects have'}   | ${{ toString: 'UTC' }}                    | ${'"toString" is unknown'}
    ${'an unknown time zone'}      | ${{ time_zone: 'Europe/Atlantis' }}       | ${'time_zone "Europe/Atlantis" is unknown'}
    ${'an offset as a time zone'}  | ${{ time_zone: '+02:00' }}                | ${'time_zone "+02:00" is unknown'}
    ${'a number as a time zone'}   | ${{ time_zone: 7 }}                       | ${'time_zone should be a name'}
    ${'an unknown catch-up'}       | ${{ catch_up: 'some' }}                   | ${'catch_up should be one of none, one, all'}
    ${'a content type of 2 lines'} | ${{ content_type: 'text/plain\r\nA: b' }} | ${'content_type should be a media type'}
    ${'a long content type'}       | ${{ content_type: 'x'.repeat(129) }}      | ${'content_type should be a media type'}
    ${'a spread below zero'}       | ${{ spread_seconds: -1 }}                 | ${'spread_seconds should be a whole number between 0 and 3600'}
    ${'a spread of half a second'} | ${{ spread_seconds: 0.5 }}                | ${'spread_seconds should be a whole number between 0 and 3600'}
    ${'a pause in words'}          | ${{ paused: 'yes' }}                      | ${'paused should be true or false'}
  `('with $what in its options is refused', ({ options, says }) => {
    expect(refusal(() => made('@daily', options))).toContain(
      `scheduleOptionsInvalid: annotation fnfleet/schedule is not valid: ${says}`,
    );
  });

  it('keeps its rules when it is changed, and a path keeps its own', () => {
    expect(refusal(() => changedTrigger(made('@daily'), { source: '/path' }, NOW))).toMatch(/^scheduleInvalid: /);
    const path = newTrigger({ ...place, type: 'http', source: '/path' }, 'id', NOW);
    expect(refusal(() => changedTrigger(path, { source: '@daily' }, NOW))).toMatch(/^triggerSourcePrefix: /);
    const annotations = { [SCHEDULE_ANNOTATION]: 'mine' };
    expect(changedTrigger(path, { annotations }, NOW)).toMatchObject({ source: '/path', annotations });
  });

  it.each`
    source                | first
    ${'*/5 * * * *'}      | ${'2026-03-01T00:05'}
    ${'0  3 * * MON-FRI'} | ${'2026-03-02T03:00'}
    ${'0 12 L * *'}       | ${'2026-03-31T12:00'}
    ${'0 0 29 2 *'}       | ${'2028-02-29T00:00'}
    ${'@monthly'}         | ${'2026-04-01T00:00'}
    ${'0 0 1,15 * 3'}     | ${'2026-03-04T00:00'}
  `('of $source fires first at $first', ({ source, first }) => {
    expect(instants(source, 'UTC', '2026-03-01T00:00:00.500Z', 1)).toEqual([first]);
  });

  it('never fires while it is paused', () => {
    expect(Schedule.of(made('* * * * *', { paused: true })).next(NOW)).toBeUndefined();
  });
});

describe('when clocks are set forward, in Berlin on 29 March 2026 at 01:00 UTC', () => {
  it.each`
    what                                               | source             | from                   | fires
    ${'a fixed time in the gap fires at its end'}      | ${'30 2 * * *'}    | ${'2026-03-28T00:00Z'} | ${['2026-03-28T01:30', '2026-03-29T01:00', '2026-03-30T00:30']}
    ${'several fixed times in the gap fire once'}      | ${'15,45 2 * * *'} | ${'2026-03-28T12:00Z'} | ${['2026-03-29T01:00', '2026-03-30T00:15', '2026-03-30T00:45']}
    ${'times in and after the gap fire once together'} | ${'0 2,3 * * *'}   | ${'2026-03-28T12:00Z'} | ${['2026-03-29T01:00', '2026-03-30T00:00', '2026-03-30T01:00']}
    ${'every quarter of an hour goes on'}              | ${'*/15 * * * *'}  | ${'2026-03-29T00:40Z'} | ${['2026-03-29T00:45', '2026-03-29T01:00', '2026-03-29T01:15']}
    ${'an interval within the gap is left out'}        | ${'*/30 2 * * *'}  | ${'2026-03-28T12:00Z'} | ${['2026-03-30T00:00', '2026-03-30T00:30']}
  `('$what', ({ source, from, fires }) => {
    expect(instants(source, 'Europe/Berlin', from, fires.length)).toEqual(fires);
  });
});

describe('when clocks are set back, in Berlin on 25 October 2026 at 01:00 UTC', () => {
  it.each`
    what                                            | source            | from                   | fires
    ${'a fixed time fires at the first of the two'} | ${'30 2 * * *'}   | ${'2026-10-24T12:00Z'} | ${['2026-10-25T00:30', '2026-10-26T01:30']}
    ${'every half hour goes on'}                    | ${'*/30 * * * *'} | ${'2026-10-25T00:10Z'} | ${['2026-10-25T00:30', '2026-10-25T01:00', '2026-10-25T01:30', '2026-10-25T02:00']}
    ${'an interval fires in both hours'}            | ${'*/30 2 * * *'} | ${'2026-10-24T12:00Z'} | ${['2026-10-25T00:00', '2026-10-25T00:30', '2026-10-25T01:00', '2026-10-25T01:30', '2026-10-26T01:00']}
  `('$what', ({ source, from, fires }) => {
    expect(instants(source, 'Europe/Berlin', from, fires.length)).toEqual(fires);
  });
});

it.each(['UTC', 'America/Santiago', 'Australia/Lord_Howe'])(
  'in %s, instants ascend all year, and the last ones are those that came',
  (timeZone) => {
    for (const source of ['30 2 * * *', '*/30 0-3 * * *', '0 0 * * 1#1']) {
      const schedule = Schedule.of(made(source, { time_zone: timeZone }));
      const came: number[] = [];
      for (let at = NOW; came.length < 3_000; ) {
        const next = schedule.next(at);
        if (next === undefined || next > later(NOW, 366 * 86_400_000)) break;
        expect(next > at).toBe(true);
        came.push(epochMs(next));
        at = next;
      }
      for (let step = 1; step < came.length; step += 101) {
        const until = wallMs(came[step] as number);
        const expected = came.slice(Math.max(0, step - 9), step + 1);
        for (const [reference, last] of [
          [until, expected],
          [later(until, 999), expected],
          [later(until, -1), came.slice(Math.max(0, step - 9), step)],
        ] as const) {
          expect(schedule.last(reference, last.length).map(epochMs)).toEqual(last);
        }
      }
    }
  },
);

it('a schedule that was stored by other means and is not valid is an error', () => {
  expect(() => Schedule.of(completeTrigger({ source: 'x' }))).toThrow(/CronPattern/);
  const annotations = { [SCHEDULE_ANNOTATION]: { time_zone: 'Europe/Atlantis' } };
  expect(() => Schedule.of({ source: '@daily', annotations })).toThrow('Europe/Atlantis');
});
