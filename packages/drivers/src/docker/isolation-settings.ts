import { choice, flag, integer, limit, type SettingsOf, text } from '@fnfleet/core';

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
