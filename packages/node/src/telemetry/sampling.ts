import type { TraceEntry } from '@fnfleet/core';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace';
import type { TelemetrySettings } from './telemetry-settings.js';

interface Sampling {
  /** For requests that belong to no trace. */
  readonly begins: TraceEntry['begins'];
  /** For those that do, by now. */
  readonly sampler: Sampler;
}

/** Whether a trace that comes in is recorded is for whoever began it to say; one that begins here is. */
const asParent = () => new ParentBasedSampler({ root: new AlwaysOnSampler() });

/**
 * As `OTEL_TRACES_SAMPLER` says.
 * @param random uniform, 0 to below 1
 */
export function newSampling({ otelSampler, otelSamplerArg }: TelemetrySettings, random = Math.random): Sampling {
  switch (otelSampler) {
    case 'always_on':
      return { begins: () => true, sampler: new AlwaysOnSampler() };
    case 'always_off':
      return { begins: () => false, sampler: new AlwaysOffSampler() };
    case 'traceidratio':
      return { begins: () => true, sampler: new TraceIdRatioBasedSampler(otelSamplerArg) };
    case 'parentbased_always_on':
      return { begins: () => true, sampler: asParent() };
    case 'parentbased_always_off':
      return { begins: () => false, sampler: asParent() };
    case 'parentbased_traceidratio':
      return { begins: (isExplained) => isExplained || random() < otelSamplerArg, sampler: asParent() };
  }
}
