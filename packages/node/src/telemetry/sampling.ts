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
  /** Decides for requests without a trace context. */
  readonly begins: TraceEntry['begins'];
  /** Decides for requests with a trace context. */
  readonly sampler: Sampler;
}

/** Follows the sampling decision of an incoming trace, and records every trace that begins here. */
const asParent = () => new ParentBasedSampler({ root: new AlwaysOnSampler() });

/**
 * Creates the sampler that `OTEL_TRACES_SAMPLER` names.
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
