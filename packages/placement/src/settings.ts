import { bytes, durationMs, integer, MIB, type SettingsOf, text } from '@fnfleet/core';
import { HEALTH_DEFAULTS } from './fleet/health.js';
import { placers } from './placers/choose-placer.js';

/** Settings of placement, for a load balancer. */
export const placementSettings = {
  tlsRunnerName: text('FN_TLS_RUNNER_NAME', {
    defaultText: 'the host part of its address',
    doc: 'With TLS: the name that the certificate of every runner must have. Required where addresses are not names, such as with a `dns` pool.',
  }),
  placer: text('FN_PLACER', {
    default: 'warm-first',
    doc: `Placer, the strategy that chooses a runner for a call: one of ${placers.names.join(', ')}; or a file with a placer, such as \`./my-placer.js\`.`,
  }),
  placerTimeoutMs: durationMs('FN_PLACER_TIMEOUT_MSECS', {
    default: 360_000,
    doc: 'How long a call may wait for a runner to accept it. Time after acceptance does not count.',
  }),
  detachedPlacerTimeoutMs: durationMs('FN_DETACHED_PLACER_TIMEOUT_MSECS', {
    default: 30_000,
    doc: 'The same limit for detached calls.',
  }),
  retryAllDelayMs: durationMs('FN_PLACER_RETRY_DELAY_MSECS', {
    default: 10,
    doc: 'Pause before an empty pool is checked again; it grows to at most one second.',
  }),
  queueMaxCalls: integer('FN_QUEUE_MAX_CALLS', {
    default: 10_000,
    min: 1,
    doc: 'How many calls may wait for a runner. Beyond this, the newest call of the application with the most waiting calls is rejected: 429, or 503 if no other application is waiting.',
  }),
  queueMaxBytes: bytes('FN_QUEUE_MAX_BYTES', {
    default: 256 * MIB,
    doc: 'How many bytes of request bodies waiting calls may keep in memory.',
  }),
  ejectFailures: integer('FN_EJECT_FAILURES', {
    default: HEALTH_DEFAULTS.ejectFailures,
    min: 0,
    doc: 'Consecutive platform failures after which a runner is ejected for a while. 0: never.',
  }),
  ejectMs: durationMs('FN_EJECT_MSECS', {
    default: HEALTH_DEFAULTS.ejectMs,
    doc: 'Duration of the first ejection. Each further one is longer by this much, up to ten times.',
  }),
  ejectMaxPercent: integer('FN_EJECT_MAX_PERCENT', {
    default: HEALTH_DEFAULTS.ejectMaxPercent,
    min: 0,
    max: 100,
    doc: 'Percentage of runners that may be ejected at the same time. One always stays.',
  }),
  panicPercent: integer('FN_PANIC_PERCENT', {
    default: HEALTH_DEFAULTS.panicPercent,
    min: 0,
    max: 100,
    doc: 'Panic threshold: below this percentage of healthy runners, ejected runners get calls as well.',
  }),
  slowStartMs: durationMs('FN_SLOW_START_MSECS', {
    default: HEALTH_DEFAULTS.slowStartMs,
    doc: 'How long the share of a runner that joins or restarts takes to grow from a tenth to its full share.',
  }),
  runnerKeepaliveTimeoutMs: integer('FN_RUNNER_KEEPALIVE_TIMEOUT_MSECS', {
    formerly: 'FN_RUNNER_SILENCE_MSECS',
    default: 5_000,
    min: 100,
    doc: 'Milliseconds after which a runner that does not answer a keepalive PING is considered lost: calls that have not started there go to other runners. Runners of Fn are not sent PINGs.',
  }),
  probeMs: durationMs('FN_RUNNER_PROBE_MSECS', {
    default: HEALTH_DEFAULTS.probeMs,
    doc: 'How often a runner that has reported nothing is probed for its status. 0: never.',
  }),
} as const;

export type PlacementSettings = SettingsOf<typeof placementSettings>;

/** How long a call may wait for a runner, and how often it retries. Milliseconds. */
export type PlacementTiming = Pick<
  PlacementSettings,
  'placerTimeoutMs' | 'detachedPlacerTimeoutMs' | 'retryAllDelayMs'
>;
