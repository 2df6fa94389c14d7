import { flag, text } from '@fnfleet/core';

/** Small, and writable by whatever user a function runs as: a function needs a socket there, and a link to it. */
export const DEFAULT_TMPFS_OPTIONS = 'size=1m,nr_inodes=64,mode=0777';

export const iofsSettings = {
  iofsPath: text('FN_IOFS_PATH', {
    doc: "Where the directories are made that hold the functions' sockets. Unset: the system's temporary directory. Keep it short: a socket's path has at most 107 bytes, 35 of them below this directory.",
  }),
} as const;

/** For functions that are kept from the runner's file system. */
export const sharedIofsSettings = {
  ...iofsSettings,
  iofsDockerPath: text('FN_IOFS_DOCKER_PATH', {
    doc: 'What FN_IOFS_PATH is called where the Docker engine runs, for a runner that itself runs in a container: a path, or the name of a volume. Needs FN_IOFS_PATH. Unset: the engine is asked what is mounted there.',
  }),
  iofsTmpfs: flag('FN_IOFS_TMPFS', {
    defaultText: 'where the runner may mount and the engine sees it',
    doc: "Puts each function's socket directory on a tmpfs of its own, so that no function can fill the disk below FN_IOFS_PATH. 1: or the runner does not start. Linux, as root.",
  }),
  iofsOptions: text('FN_IOFS_OPTS', {
    default: DEFAULT_TMPFS_OPTIONS,
    doc: 'Mount options of that tmpfs, after noexec,nosuid,nodev. Options of your own must let user 1000 write (mode= or uid=), and should set a size.',
  }),
} as const;
