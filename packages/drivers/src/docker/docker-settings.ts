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
    doc: 'Where the Docker engine listens: unix:///path or tcp://host:port. Unset: unix:///var/run/docker.sock.',
  }),
  dockerTlsVerify: text('DOCKER_TLS_VERIFY', { doc: 'Anything but empty: the engine is spoken to over TLS.' }),
  dockerCertPath: text('DOCKER_CERT_PATH', { doc: 'Folder with ca.pem, cert.pem and key.pem for TLS to the engine.' }),
  dockerApiTimeoutMs: durationMs('FN_DOCKER_API_TIMEOUT_MSECS', {
    default: 60_000,
    doc: 'The longest that one call to the Docker engine may take, and the limit for removals. Pulls have a limit of their own, FN_HOT_PULL_TIMEOUT_MSECS.',
  }),
  dockerChangeTimeoutMs: durationMs('FN_DOCKER_CHANGE_TIMEOUT_MSECS', {
    default: 30_000,
    doc: 'How long the Docker engine may take to create, start, pause or resume a container.',
  }),
  dockerQueryTimeoutMs: durationMs('FN_DOCKER_QUERY_TIMEOUT_MSECS', {
    default: 10_000,
    doc: 'How long the Docker engine may take to answer a question, such as whether it has an image.',
  }),
  dockerProbeTimeoutMs: durationMs('FN_DOCKER_PROBE_TIMEOUT_MSECS', {
    default: 3_000,
    doc: 'How long the Docker engine may take to give a sign of life. Two probes in a row without an answer make the runner degraded: it refuses calls that need a new container.',
  }),
  dockerProbeIntervalMs: durationMs('FN_DOCKER_PROBE_INTERVAL_MSECS', {
    default: 5_000,
    doc: 'How often the Docker engine is asked for a sign of life. A call that nobody answers asks at once.',
  }),
  dockerReapIntervalMs: durationMs('FN_DOCKER_REAP_INTERVAL_MSECS', {
    default: 60_000,
    negativeIsNever: true,
    doc: 'How often the engine is searched for containers that nobody answers for. Negative: only at start.',
  }),
  dockerReapGraceMs: durationMs('FN_DOCKER_REAP_GRACE_MSECS', {
    default: 60_000,
    doc: 'How long a container of this runner may be there untracked before it is removed.',
  }),
  cgroupPath: text('FN_CGROUP_PATH', {
    default: '/sys/fs/cgroup',
    doc: "Where the engine's control groups are mounted. A runner in a container needs the host's, writable. Idle containers are frozen through them; where that is not possible, the engine is asked to pause them, which takes a hundred times as long.",
  }),
  freezeThroughEngine: flag('FN_FREEZE_THROUGH_ENGINE', {
    default: false,
    doc: 'Asks the engine for every pause, even where the control groups could be used.',
  }),
  dockerStatsAtOnce: integer('FN_DOCKER_STATS_AT_ONCE', {
    default: 1,
    min: 0,
    doc: 'Containers whose statistics (metrics docker_stats_*) are taken at the same time, about a second each, by turns. 0: none.',
  }),
  containerLabelTag: text('FN_CONTAINER_LABEL_TAG', {
    doc: 'Marks the containers of this runner. A runner that starts removes all other containers with its tag, so give each runner of an engine its own. Unset: it removes only containers whose runner process is known to be gone.',
  }),
  ...imageSettings,
  localDebug: flag('FN_LOCAL_DEBUG', {
    default: false,
    doc: 'Publishes FN_LOCAL_DEBUG_PORT of the container of a function on the loopback address of the engine, for a debugger; idle containers are not frozen. For one container at a time: another one cannot start while it is there.',
  }),
  localDebugPort: integer('FN_LOCAL_DEBUG_PORT', {
    default: 5678,
    min: 1,
    max: 65_535,
    doc: 'Where the debugger of a function listens, in its container and on the machine of the engine.',
  }),
  networks: list('FN_DOCKER_NETWORKS', {
    default: [],
    separator: /[\s,]+/,
    doc: 'Docker networks for containers; each new container joins the one with the fewest.',
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
