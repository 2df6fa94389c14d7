export const KIB = 1024;
export const MIB = 1024 * 1024;
export const GIB = 1024 * 1024 * 1024;

const MAX_CPU_MILLIS = 1_024_000;

/** Parses CPU as text (`"100m"`, `"0.5"`, `""`) to thousandths of a core; undefined if it is invalid or out of range. */
export function parseCpus(text: string): number | undefined {
  if (text === '') return 0;
  const millis = text.endsWith('m') ? wholeMillis(text.slice(0, -1)) : decimalMillis(text);
  return millis !== undefined && millis >= 0 && millis <= MAX_CPU_MILLIS ? millis : undefined;
}

export function formatCpus(millis: number): string {
  return millis === 0 ? '' : `${millis}m`;
}

function wholeMillis(text: string): number | undefined {
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

function decimalMillis(text: string): number | undefined {
  return /^(?:\d+(?:\.\d*)?|\.\d+)$/.test(text) ? Math.trunc(Math.round(Number(text) * 1e6) / 1e3) : undefined;
}

const DURATION_UNITS_MS = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 1e-3, ns: 1e-6 } as const;

/** Parses a duration (`2m5s`, `1.5h`, `250ms`; a bare number is seconds) to milliseconds; undefined if it is invalid. */
export function parseDuration(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  if (!/^(\d+(\.\d+)?(h|ms|m|s|us|ns))+$/.test(text)) return undefined;
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(/([\d.]+)([a-z]+)/gy)) {
    ms += Number(amount) * DURATION_UNITS_MS[unit as keyof typeof DURATION_UNITS_MS];
  }
  return ms;
}
