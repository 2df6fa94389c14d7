import { flag, text } from '@fnfleet/core';

/** Small, and writable by any user that a function may run as: the function creates a socket there, and a link to it. */
export const DEFAULT_TMPFS_OPTIONS = 'size=1m,nr_inodes=64,mode=0777';

export const iofsSettings = {
  iofsPath: text('FN_IOFS_PATH', {
    doc: 'Directory for the socket directories of functions. Unset: the temporary directory of the system. Keep the path short: the path of a socket has at most 107 bytes, 35 of them below this directory.',
  }),
} as const;

/** For drivers whose functions are isolated from the file system of the runner. */
export const sharedIofsSettings = {
  ...iofsSettings,
  iofsDockerPath: text('FN_IOFS_DOCKER_PATH', {
    doc: 'For a runner that itself runs in a container: the path of FN_IOFS_PATH on the machine of the Docker engine, or the name of a volume. Requires FN_IOFS_PATH. Unset: the runner asks the engine what is mounted there.',
  }),
  iofsTmpfs: flag('FN_IOFS_TMPFS', {
    defaultText: 'on if the runner may mount and the engine sees the mount',
    doc: 'Puts the socket directory of each container on its own tmpfs, so that no function can fill the disk below FN_IOFS_PATH. 1: the runner does not start if that is not possible. Requires Linux and root.',
  }),
  iofsOptions: text('FN_IOFS_OPTS', {
    default: DEFAULT_TMPFS_OPTIONS,
    doc: 'Mount options of that tmpfs, after noexec,nosuid,nodev. Custom options must let user 1000 write (mode= or uid=) and should set a size.',
  }),
} as const;
