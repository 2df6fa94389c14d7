import { bytes, durationMs, integer, list, MIB, type SettingsOf, text } from '@fnfleet/core';
import { placers } from './placers/index.js';

/** Settings of placement, read by a load balancer. */
export const placementSettings = {
  runnerAddresses: list('FN_RUNNER_ADDRESSES', {
    required: true,
    doc: 'Runners that calls are placed on, `host:port` each.',
  }),
  placer: text('FN_PLACER', {
    default: 'warm-first',
    doc: `How a call chooses among the runners: one of ${placers.names.join(', ')}.`,
  }),
  placerTimeoutMs: durationMs('FN_PLACER_TIMEOUT_MSECS', {
    default: 360_000,
    doc: 'Time that a call may look for a runner. Once a runner has taken it, the time no longer counts.',
  }),
  detachedPlacerTimeoutMs: durationMs('FN_DETACHED_PLACER_TIMEOUT_MSECS', {
    default: 30_000,
    doc: 'The same for a detached call.',
  }),
  retryAllDelayMs: durationMs('FN_PLACER_RETRY_DELAY_MSECS', {
    default: 10,
    doc: 'Pause before an empty pool is looked at again; it grows up to a second.',
  }),
  queueMaxCalls: integer('FN_QUEUE_MAX_CALLS', {
    default: 10_000,
    min: 1,
    doc: 'Calls that may wait for a runner. Beyond, the application with the most loses its newest: 429, or 503 if it is alone.',
  }),
  queueMaxBytes: bytes('FN_QUEUE_MAX_BYTES', {
    default: 256 * MIB,
    doc: 'Bytes of request bodies that waiting calls may keep in memory.',
  }),
} as const;

export type PlacementSettings = SettingsOf<typeof placementSettings>;

/** How long a call may look for a runner, and how often. Milliseconds. */
export type PlacementTiming = Pick<
  PlacementSettings,
  'placerTimeoutMs' | 'detachedPlacerTimeoutMs' | 'retryAllDelayMs'
>;
