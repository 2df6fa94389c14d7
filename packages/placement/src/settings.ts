import { bytes, durationMs, integer, MIB, type SettingsOf, text } from '@fnfleet/core';
import { HEALTH_DEFAULTS } from './fleet/health-options.js';
import { placers } from './placers/index.js';

/** Settings of placement, read by a load balancer. */
export const placementSettings = {
  tlsRunnerName: text('FN_TLS_RUNNER_NAME', {
    defaultText: 'the host part of its address',
    doc: 'With TLS: the name that the certificate of every runner has to have. Needed where addresses are not names, as with a pool of the kind `dns`.',
  }),
  placer: text('FN_PLACER', {
    default: 'warm-first',
    doc: `How a call chooses among the runners: one of ${placers.names.join(', ')}; or a file with a placer, \`./my-placer.js\`.`,
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
  ejectFailures: integer('FN_EJECT_FAILURES', {
    default: HEALTH_DEFAULTS.ejectFailures,
    min: 0,
    doc: 'Failures of the platform in a row after which a runner gets no calls for a while. 0: never.',
  }),
  ejectMs: durationMs('FN_EJECT_MSECS', {
    default: HEALTH_DEFAULTS.ejectMs,
    doc: 'For how long the first time; each further time as much longer, up to ten times.',
  }),
  ejectMaxPercent: integer('FN_EJECT_MAX_PERCENT', {
    default: HEALTH_DEFAULTS.ejectMaxPercent,
    min: 0,
    max: 100,
    doc: 'Percent of the runners that may be out at the same time. One is always left.',
  }),
  panicPercent: integer('FN_PANIC_PERCENT', {
    default: HEALTH_DEFAULTS.panicPercent,
    min: 0,
    max: 100,
    doc: 'With fewer healthy runners than this, percent, those that are out get calls as well.',
  }),
  slowStartMs: durationMs('FN_SLOW_START_MSECS', {
    default: HEALTH_DEFAULTS.slowStartMs,
    doc: 'Time in which the share of a runner that joins, or begins anew, grows from a tenth to all of it.',
  }),
  runnerKeepaliveTimeoutMs: integer('FN_RUNNER_KEEPALIVE_TIMEOUT_MSECS', {
    formerly: 'FN_RUNNER_SILENCE_MSECS',
    default: 5_000,
    min: 100,
    doc: 'Milliseconds after which a runner that does not answer a keepalive PING is considered lost: calls that have not started there go to other runners. Runners of Fn are not sent PINGs.',
  }),
  probeMs: durationMs('FN_RUNNER_PROBE_MSECS', {
    default: HEALTH_DEFAULTS.probeMs,
    doc: 'How often a runner that has told nothing since is asked for its status. 0: never.',
  }),
} as const;

export type PlacementSettings = SettingsOf<typeof placementSettings>;

/** How long a call may look for a runner, and how often. Milliseconds. */
export type PlacementTiming = Pick<
  PlacementSettings,
  'placerTimeoutMs' | 'detachedPlacerTimeoutMs' | 'retryAllDelayMs'
>;
