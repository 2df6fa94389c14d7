import { choice, flag, integer, limit, type SettingsOf, text } from '@fnfleet/core';

/** What keeps functions from the machine and from each other. */
export const isolationSettings = {
  disableUnprivileged: flag('FN_DISABLE_UNPRIVILEGED_CONTAINERS', {
    default: false,
    doc: "Runs functions as their image's user, with the capabilities that Docker gives by default.",
  }),
  disableReadonlyRoot: flag('FN_DISABLE_READONLY_ROOTFS', {
    default: false,
    doc: 'Lets functions write to the root file system of their container.',
  }),
  seccompProfile: text('FN_DOCKER_SECCOMP_PROFILE', {
    doc: 'File with the seccomp profile of functions, in the JSON format of Docker. It is read at start. Unset: the profile of the engine, which is on unless the engine was told otherwise.',
  }),
  appArmorProfile: text('FN_DOCKER_APPARMOR_PROFILE', {
    doc: "Name of an AppArmor profile that is loaded where the engine runs. Unset: the engine's.",
  }),
  runtime: text('FN_DOCKER_RUNTIME', {
    doc: 'OCI runtime of functions, by the name the engine knows it by: runc, crun, runsc (gVisor), kata… Unset: the default of the engine.',
  }),
  usernsMode: choice('FN_DOCKER_USERNS_MODE', ['host'], {
    doc: "`host` runs functions in the engine's own user namespace although it maps users (userns-remap). Unset: as the engine is set up.",
  }),
  maxFsSizeMb: integer('FN_MAX_FS_SIZE_MB', {
    default: 0,
    min: 0,
    doc: 'Size of the root file system of a container, in megabytes, where the storage driver can limit it (overlay2 on xfs with pquota, btrfs, zfs). 0: unlimited.',
  }),
  maxTmpfsInodes: integer('FN_MAX_TMPFS_INODES', {
    default: 0,
    min: 0,
    doc: 'Files that fit into a /tmp of limited size. 0: unlimited.',
  }),
  maxPids: integer('FN_MAX_PIDS', { default: 50, min: 0, doc: 'Processes and threads in a container. 0: unlimited.' }),
  maxOpenFiles: limit('FN_MAX_OPEN_FILES', { default: 350, doc: 'Open files of a process.' }),
  maxLockedMemoryBytes: limit('FN_MAX_LOCKED_MEMORY', {
    default: 65_536,
    unit: 'bytes',
    doc: 'Memory that a process may lock.',
  }),
  maxPendingSignals: limit('FN_MAX_PENDING_SIGNALS', { default: 5_000, doc: 'Signals queued for a process.' }),
  maxMessageQueueBytes: limit('FN_MAX_MESSAGE_QUEUE', {
    default: 819_200,
    unit: 'bytes',
    doc: 'POSIX message queues of a process.',
  }),
} as const;

export type IsolationSettings = SettingsOf<typeof isolationSettings>;
