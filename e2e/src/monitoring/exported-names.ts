import { METRIC_PREFIX, METRICS } from '@fnfleet/core';

const HISTOGRAM_PARTS = ['_bucket', '_sum', '_count'];
/** All that begins like a metric, but the label `fn_id`. */
const NAME = new RegExp(`\\b${METRIC_PREFIX}(?!id\\b)[a-zA-Z0-9_]+\\b`, 'g');

/** What the declared metrics are called in Prometheus. */
export function exportedNames(): ReadonlySet<string> {
  return new Set(
    Object.entries(METRICS).flatMap(([name, { kind }]) => {
      const exported = METRIC_PREFIX + name.replaceAll('/', '_');
      if (kind === 'histogram') return HISTOGRAM_PARTS.map((part) => exported + part);
      return [kind === 'counter' ? `${exported}_total` : exported];
    }),
  );
}

/** The metrics of ours that an expression, or a text, names. */
export function namedMetrics(text: string): string[] {
  return [...new Set(text.match(NAME))];
}
