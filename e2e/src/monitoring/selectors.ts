/** Rates are over the last half minute where Grafana would take four scrapes. */
const RATE_INTERVAL = '30s';

/** An expression of a panel as Grafana sends it when everything is selected. */
export function asSent(expr: string): string {
  return expr.replaceAll('$__rate_interval', RATE_INTERVAL).replace(/\$(?:job|instance)\b/g, '.*');
}

/**
 * The series that an expression reads. An alert that does not fire has no data, but what it reads has: `up{job="x"}`, without
 * what is made of it.
 */
export function selectorsOf(expr: string): string[] {
  return [...new Set(expr.match(/\b(?:up|fn_(?!id\b)\w+)\b(?:\{[^}]*\})?/g))];
}
