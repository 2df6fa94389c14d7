/** The zero time of the wire: "never happened". */
export const ZERO_DATE = '0001-01-01T00:00:00.000Z';

/** RFC 3339 with exactly three fraction digits, in UTC. Undefined is the zero time. */
export function formatDate(ms: number | undefined): string {
  return ms === undefined ? ZERO_DATE : new Date(ms).toISOString();
}

/** RFC 3339 in UTC with whole seconds, truncated: what `Fn-Deadline` carries. */
export function formatDateSeconds(ms: number): string {
  return `${new Date(Math.floor(ms / 1000) * 1000).toISOString().slice(0, 19)}Z`;
}

const RFC3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/;

/**
 * Milliseconds since the epoch; the empty string is the epoch itself and the zero time is undefined.
 * Accepts 0 to 9 fraction digits and any zone. Throws RangeError on anything else.
 */
export function parseDate(text: string): number | undefined {
  if (text === '') return 0;
  const ms = RFC3339.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) throw new RangeError(`not an RFC 3339 date: ${JSON.stringify(text)}`);
  return text.startsWith('0001-01-01T00:00:00') && ms === ZERO_MS ? undefined : ms;
}

const ZERO_MS = Date.parse(ZERO_DATE);
