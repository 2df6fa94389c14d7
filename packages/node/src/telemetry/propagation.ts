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

/** All of them at once. Of a request with several the first named counts. */
export function newPropagator(names: readonly Propagator[]): TextMapPropagator {
  // Each that finds something overwrites what was found before.
  const propagators = [...names].reverse().flatMap((name) => KINDS[name]() ?? []);
  return new CompositePropagator({ propagators });
}
