import { type Attributes, context, propagation, SpanStatusCode } from '@opentelemetry/api';
import { tracer } from './telemetry.js';

/** Something that is over, for a trace. Instants in milliseconds since the epoch. */
export interface PastSpan {
  readonly name: string;
  readonly startedAt: number;
  readonly endedAt: number;
  /** Headers that say which trace it belongs to. */
  readonly carrier: object;
  /** Asked only when somebody records traces. */
  readonly details: () => SpanDetails;
}

export interface SpanDetails {
  readonly attributes: Attributes;
  readonly events: Iterable<{ readonly name: string; readonly at: number; readonly attributes: Attributes }>;
  /** What it failed with; undefined: it ended well. */
  readonly error: string | undefined;
}

/** Puts it into the trace. */
export function recordSpan({ name, startedAt, endedAt, carrier, details }: PastSpan): void {
  const parent = propagation.extract(context.active(), carrier);
  const span = tracer().startSpan(name, { startTime: startedAt }, parent);
  if (span.isRecording()) {
    const { attributes, events, error } = details();
    span.setAttributes(attributes);
    for (const event of events) span.addEvent(event.name, event.attributes, event.at);
    if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
  }
  span.end(endedAt);
}
