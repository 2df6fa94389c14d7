/** Formats a number with three significant digits. */
export function fixed(value: number): string {
  if (value === 0) return '0';
  if (value >= 1000) return String(Math.round(value));
  if (value >= 100) return value.toFixed(0);
  if (value >= 10) return value.toFixed(1);
  return value.toFixed(2);
}

export function percent(share: number): string {
  const value = share * 100;
  return `${value >= 10 || value === 0 ? value.toFixed(0) : value.toFixed(1)} %`;
}

/** Formats the ticks of an axis, without superfluous digits. */
export function compact(value: number): string {
  return String(Number(value.toPrecision(3)));
}
