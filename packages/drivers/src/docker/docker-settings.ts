import { durationMs, flag, integer, list, type SettingsOf, text } from '@fnfleet/core';
import { sharedIofsSettings } from '../iofs/iofs-settings.js';
import type { CallLimits } from './engine-calls.js';
import { imageSettings } from './images/image-settings.js';
import { isolationSettings } from './isolation-settings.js';
import { preforkSettings } from './prefork/prefork-settings.js';

export const dockerSettings = {
  ...sharedIofsSettings,
  ...isolationSettings,
  ...preforkSettings,
  dockerHost: text('DOCKER_HOST', {
    doc: 'Address of the Docker engine: unix:///path or tcp://host:port. Unset: unix:///var/run/docker.sock.',
  }),
  dockerTlsVerify: text('DOCKER_TLS_VERIFY', { doc: 'If not empty, connects to the engine over TLS.' }),
  dockerCertPath: text('DOCKER_CERT_PATH', {
    doc: 'Directory with ca.pem, cert.pem and key.pem for TLS to the engine.',
  }),
  dockerApiTimeoutMs: durationMs('FN_DOCKER_API_TIMEOUT_MSECS', {
    default: 60_000,
    doc: 'Timeout of any request to the Docker engine, and of removals. Pulls have their own limit, FN_HOT_PULL_TIMEOUT_MSECS.',
  }),
  dockerChangeTimeoutMs: durationMs('FN_DOCKER_CHANGE_TIMEOUT_MSECS', {
    default: 30_000,
    doc: 'Timeout for creating, starting, pausing or resuming a container.',
  }),
  dockerQueryTimeoutMs: durationMs('FN_DOCKER_QUERY_TIMEOUT_MSECS', {
    default: 10_000,
    doc: 'Timeout of queries to the Docker engine, such as whether it has an image.',
  }),
  dockerProbeTimeoutMs: durationMs('FN_DOCKER_PROBE_TIMEOUT_MSECS', {
    default: 3_000,
    doc: 'Timeout of the health probe of the Docker engine. After two unanswered probes in a row the runner is degraded: it refuses calls that need a new container.',
  }),
  dockerProbeIntervalMs: durationMs('FN_DOCKER_PROBE_INTERVAL_MSECS', {
    default: 5_000,
    doc: 'Interval of the health probes of the Docker engine. A request that times out triggers a probe immediately.',
  }),
  dockerReapIntervalMs: durationMs('FN_DOCKER_REAP_INTERVAL_MSECS', {
    default: 60_000,
    negativeIsNever: true,
    doc: 'Interval at which the runner searches the engine for orphaned containers. Negative: only at start.',
  }),
  dockerReapGraceMs: durationMs('FN_DOCKER_REAP_GRACE_MSECS', {
    default: 60_000,
    doc: 'How long a container of this runner may exist untracked before it is removed.',
  }),
  cgroupPath: text('FN_CGROUP_PATH', {
    default: '/sys/fs/cgroup',
    doc: 'Where the control groups of the engine are mounted. A runner in a container needs those of the host, writable. Idle containers are frozen through them; where that is not possible, the engine pauses them, which takes a hundred times as long.',
  }),
  freezeThroughEngine: flag('FN_FREEZE_THROUGH_ENGINE', {
    default: false,
    doc: 'Pauses containers through the engine even where the control groups could be used.',
  }),
  dockerStatsAtOnce: integer('FN_DOCKER_STATS_AT_ONCE', {
    default: 1,
    min: 0,
    doc: 'Number of containers that are sampled for statistics (metrics docker_stats_*) at the same time. Containers take turns of about a second. 0: none.',
  }),
  containerLabelTag: text('FN_CONTAINER_LABEL_TAG', {
    doc: 'Label value that marks the containers of this runner. On start a runner removes all other containers with its tag, so each runner of an engine needs its own. Unset: it removes only containers whose runner process is known to be gone.',
  }),
  ...imageSettings,
  localDebug: flag('FN_LOCAL_DEBUG', {
    default: false,
    doc: 'Publishes FN_LOCAL_DEBUG_PORT of a function container on the loopback address of the engine, for a debugger, and does not freeze idle containers. Only one container can run at a time.',
  }),
  localDebugPort: integer('FN_LOCAL_DEBUG_PORT', {
    default: 5678,
    min: 1,
    max: 65_535,
    doc: 'Port of the debugger of a function, both in its container and on the machine of the engine.',
  }),
  networks: list('FN_DOCKER_NETWORKS', {
    default: [],
    separator: /[\s,]+/,
    doc: 'Docker networks for containers. Each new container joins the network with the fewest containers.',
  }),
} as const;

/** How long the engine may take for each kind of call. */
export function limitsOf(settings: SettingsOf<typeof dockerSettings>): CallLimits {
  const capped = (ms: number) => Math.min(ms, settings.dockerApiTimeoutMs);
  return {
    probe: capped(settings.dockerProbeTimeoutMs),
    query: capped(settings.dockerQueryTimeoutMs),
    change: capped(settings.dockerChangeTimeoutMs),
    removal: settings.dockerApiTimeoutMs,
  };
}
