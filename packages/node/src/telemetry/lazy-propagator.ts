import type { Context, TextMapGetter, TextMapPropagator, TextMapSetter } from '@opentelemetry/api';
import type { Propagator } from './telemetry-settings.js';

/** The headers of each propagation format. */
const FIELDS: Readonly<Record<Propagator, readonly string[]>> = {
  tracecontext: ['traceparent', 'tracestate'],
  baggage: ['baggage'],
  b3: ['b3'],
  b3multi: ['x-b3-traceid', 'x-b3-spanid', 'x-b3-flags', 'x-b3-sampled', 'x-b3-parentspanid'],
  none: [],
};

/** Reads and writes trace headers. Its libraries are loaded when the first trace arrives. */
export class LazyPropagator implements TextMapPropagator {
  private loaded: TextMapPropagator | undefined;

  constructor(private readonly names: readonly Propagator[]) {}

  inject(context: Context, carrier: unknown, setter: TextMapSetter): void {
    this.real().inject(context, carrier, setter);
  }

  extract(context: Context, carrier: unknown, getter: TextMapGetter): Context {
    return this.real().extract(context, carrier, getter);
  }

  fields(): string[] {
    return [...new Set(this.names.flatMap((name) => FIELDS[name]))];
  }

  private real(): TextMapPropagator {
    if (this.loaded === undefined) {
      // Extraction is synchronous and so cannot await an import.
      const { newPropagator } = require('./propagation.js') as typeof import('./propagation.js');
      this.loaded = newPropagator(this.names);
    }
    return this.loaded;
  }
}
