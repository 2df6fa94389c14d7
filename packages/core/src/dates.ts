import { epochMs, type WallMs, wallMs } from './clock.js';
/** The zero time of the wire, which means "never". */
export const ZERO_DATE = '0001-01-01T00:00:00.000Z';

/** RFC 3339 in UTC with exactly three fraction digits. Undefined becomes the zero time. */
export function formatDate(at: WallMs | undefined): string {
  if (at === undefined) return ZERO_DATE;
  const whole = Math.floor(epochMs(at));
  const seconds = Math.floor(whole / 1000);
  return `${present(seconds)}.${String(whole - seconds * 1000).padStart(3, '0')}Z`;
}

/** RFC 3339 in UTC, truncated to whole seconds, as in `Fn-Deadline`. */
export function formatDateSeconds(at: WallMs): string {
  return `${deadlines(Math.floor(epochMs(at) / 1000))}Z`;
}

/** The dates of a call are nearly always in the same seconds as those of the call before. One that has waited in a queue has two. */
const present = rememberLastTwo(isoSecond);
const deadlines = rememberLastTwo(isoSecond);

function isoSecond(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, -5);
}

function rememberLastTwo(compute: (input: number) => string): (input: number) => string {
  let last = { input: Number.NaN, result: '' };
  let before = last;
  return (input) => {
    if (input !== last.input) {
      const known = before.input === input ? before : { input, result: compute(input) };
      before = last;
      last = known;
    }
    return last.result;
  };
}

const RFC3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/;

/**
 * The empty string is read as the epoch, and the zero time as undefined.
 * Accepts 0 to 9 fraction digits and any zone. Throws RangeError on anything else.
 */
export function parseDate(text: string): WallMs | undefined {
  if (text === '') return wallMs(0);
  if (text === ZERO_DATE) return undefined;
  const ms = RFC3339.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) throw new RangeError(`not an RFC 3339 date: ${JSON.stringify(text)}`);
  return text.startsWith('0001-01-01T00:00:00') && ms === ZERO_MS ? undefined : wallMs(ms);
}

const ZERO_MS = Date.parse(ZERO_DATE);
