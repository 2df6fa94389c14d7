import type { TextMapPropagator } from '@opentelemetry/api';
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core';
import { B3InjectEncoding, B3Propagator } from '@opentelemetry/propagator-b3';
import type { Propagator } from './telemetry-settings.js';

const KINDS: Readonly<Record<Propagator, () => TextMapPropagator | undefined>> = {
  tracecontext: () => new W3CTraceContextPropagator(),
  baggage: () => new W3CBaggagePropagator(),
  b3: () => new B3Propagator(),
  b3multi: () => new B3Propagator({ injectEncoding: B3InjectEncoding.MULTI_HEADER }),
  none: () => undefined,
};

/** Combines several propagators. If a request has headers of several, the first in the list is used. */
export function newPropagator(names: readonly Propagator[]): TextMapPropagator {
  // Later propagators overwrite the result of earlier ones, so run them in reverse order.
  const propagators = [...names].reverse().flatMap((name) => KINDS[name]() ?? []);
  return new CompositePropagator({ propagators });
}
