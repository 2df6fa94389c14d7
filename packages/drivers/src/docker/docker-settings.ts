import {
  bytes,
  choice,
  durationMs,
  flag,
  integer,
  limit,
  list,
  type SettingsOf,
  structured,
  text,
} from '@fnfleet/core';
import { sharedIofsSettings } from '../iofs/iofs-settings.js';
import type { CallLimits } from './engine-transport.js';
import { parseCredentials } from './images/registry-credentials.js';

/** Isolation of functions from the machine and from each other. */
export const isolationSettings = {
  disableUnprivileged: flag('FN_DISABLE_UNPRIVILEGED_CONTAINERS', {
    default: false,
    doc: 'Runs functions as the user of their image, with the default capabilities of Docker.',
  }),
  disableReadonlyRoot: flag('FN_DISABLE_READONLY_ROOTFS', {
    default: false,
    doc: 'Lets functions write to the root file system of their container.',
  }),
  seccompProfile: text('FN_DOCKER_SECCOMP_PROFILE', {
    doc: 'File with the seccomp profile of functions, in the JSON format of Docker. It is read at start. Unset: the profile of the engine, which is enabled by default.',
  }),
  appArmorProfile: text('FN_DOCKER_APPARMOR_PROFILE', {
    doc: 'Name of an AppArmor profile that is loaded where the engine runs. Unset: the default of the engine.',
  }),
  runtime: text('FN_DOCKER_RUNTIME', {
    doc: 'OCI runtime of functions, by its name in the configuration of the engine: runc, crun, runsc (gVisor), kata… Unset: the default of the engine.',
  }),
  usernsMode: choice('FN_DOCKER_USERNS_MODE', ['host'], {
    doc: '`host` runs functions in the user namespace of the host even if the engine remaps users (userns-remap). Unset: as the engine is configured.',
  }),
  maxFsSizeMb: integer('FN_MAX_FS_SIZE_MB', {
    default: 0,
    min: 0,
    doc: 'Maximum size of the root file system of a container, in megabytes, where the storage driver can limit it (overlay2 on xfs with pquota, btrfs, zfs). 0: unlimited.',
  }),
  maxTmpfsInodes: integer('FN_MAX_TMPFS_INODES', {
    default: 0,
    min: 0,
    doc: 'Maximum number of files in a /tmp of limited size. 0: unlimited.',
  }),
  maxPids: integer('FN_MAX_PIDS', {
    default: 50,
    min: 0,
    doc: 'Maximum number of processes and threads in a container. 0: unlimited.',
  }),
  maxOpenFiles: limit('FN_MAX_OPEN_FILES', { default: 350, doc: 'Maximum number of open files of a process.' }),
  maxLockedMemoryBytes: limit('FN_MAX_LOCKED_MEMORY', {
    default: 65_536,
    unit: 'bytes',
    doc: 'Memory that a process may lock.',
  }),
  maxPendingSignals: limit('FN_MAX_PENDING_SIGNALS', {
    default: 5_000,
    doc: 'Maximum number of signals queued for a process.',
  }),
  maxMessageQueueBytes: limit('FN_MAX_MESSAGE_QUEUE', {
    default: 819_200,
    unit: 'bytes',
    doc: 'Maximum size of the POSIX message queues of a process.',
  }),
} as const;

export type IsolationSettings = SettingsOf<typeof isolationSettings>;

/** Containers that lend their networks to functions (PreforkPool). */
export const preforkSettings = {
  preforkSize: integer('FN_EXPERIMENTAL_PREFORK_POOL_SIZE', {
    default: 0,
    min: 0,
    doc: 'Number of containers that are kept ready to lend their network to functions, which saves setting up a network at each start. 0: none.',
  }),
  preforkImage: text('FN_EXPERIMENTAL_PREFORK_IMAGE', {
    default: 'busybox',
    doc: 'Image of those containers; pulled at start if it is missing.',
  }),
  preforkCommand: list('FN_EXPERIMENTAL_PREFORK_CMD', {
    default: ['tail', '-f', '/dev/null'],
    separator: /\s+/,
    doc: 'Command that runs in them; it must not end.',
  }),
  preforkUseOnce: integer('FN_EXPERIMENTAL_PREFORK_USE_ONCE', {
    default: 0,
    min: 0,
    doc: 'If not 0, each of them lends its network to one function only and is then replaced.',
  }),
  preforkNetworks: list('FN_EXPERIMENTAL_PREFORK_NETWORKS', {
    default: [],
    separator: /[\s,]+/,
    doc: 'Docker networks that they are assigned to in turn. Unset: the default of the engine.',
  }),
} as const;

export type PreforkSettings = SettingsOf<typeof preforkSettings>;

/** Pulling, loading and removing images. */
export const imageSettings = {
  enableVolumes: flag('FN_IMAGE_ENABLE_VOLUME', { default: false, doc: 'Allows images that declare a VOLUME.' }),
  imageLoadFile: text('FN_DOCKER_LOAD_FILE', {
    doc: 'Archive of images in the format of `docker save`, loaded at start. If it cannot be loaded, the runner does not start.',
  }),
  dockerAuth: structured(
    'FN_DOCKER_AUTH',
    'JSON like {"auths":{"<registry>":{"auth":"<base64 of user:password>"}}}',
    parseCredentials,
    {
      doc: 'Credentials for registries, instead of those in the configuration files of Docker. The outer `auths` may be omitted.',
      secret: true,
    },
  ),
  dockerConfig: text('DOCKER_CONFIG', {
    doc: 'Directory of the config.json with registry credentials. It is read at each pull; credential helpers are not run.',
  }),
  home: text('HOME', {
    doc: 'Directory that is searched for .docker/config.json and .dockercfg when DOCKER_CONFIG has no config.json.',
  }),
  pullMaxRetries: integer('FN_IMAGE_PULL_MAX_RETRIES', {
    default: 3,
    min: 0,
    max: 30,
    doc: 'Maximum number of retries of a pull when the registry answers 429 or 5xx, resets the connection or is too slow. The time limit of the pull, FN_HOT_PULL_TIMEOUT_MSECS, covers all attempts. 0: no retries.',
  }),
  pullRetryIntervalMs: durationMs('FN_IMAGE_PULL_RETRY_INTERVAL_MSECS', {
    default: 250,
    doc: 'Before attempt k + 1 a pull waits a random time of up to 2^k − 1 intervals, plus the minimum delay.',
  }),
  pullRetryMinDelayMs: durationMs('FN_IMAGE_PULL_RETRY_MIN_DELAY_MSECS', {
    default: 100,
    doc: 'Minimum delay before a pull is retried.',
  }),
  pullRetryMaxDelayMs: durationMs('FN_IMAGE_PULL_RETRY_MAX_DELAY_MSECS', {
    default: 5_000,
    doc: 'Maximum delay before a pull is retried. 0: no limit.',
  }),
  imageCleanMaxBytes: bytes('FN_IMAGE_CLEAN_MAX_SIZE', {
    default: 0,
    doc: 'Maximum total size of the images on this machine, including images that the runner did not pull. Beyond it the least recently used images are removed, unless a container or another image needs them. 0: nothing is removed.',
  }),
  imageCleanExemptTags: list('FN_IMAGE_CLEAN_EXEMPT_TAGS', {
    default: [],
    separator: /\s+/,
    doc: 'Images, as name:tag, that are never removed and do not count toward the limit.',
  }),
} as const;

/** All settings of the Docker driver. */
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
