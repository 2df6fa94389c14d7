import { access, constants, mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Freezer, FreezerV1, FreezerV2 } from '../docker/freezing/cgroup.js';
import type { Trouble } from './trouble.js';

/** Where control groups can be frozen. */
export interface FreezerMount {
  readonly version: 1 | 2;
  /** Groups are created in it. */
  readonly directory: string;
}

/** A runner works without it: the engine pauses containers, which takes a hundred times as long. */
const REMEDY =
  'mount the control groups of the host there, writable, and run as root (FN_CGROUP_PATH says where they are); or set ' +
  'FN_FREEZE_THROUGH_ENGINE=1 to accept that';

/** Recognizes a hierarchy by files that exist only at its root. Where both versions are mounted, the engine uses version 1. */
export async function findFreezerMount(root: string): Promise<FreezerMount | undefined> {
  const v1 = join(root, 'freezer');
  if (await may(join(v1, 'cgroup.procs'), constants.F_OK)) return { version: 1, directory: v1 };
  if (await may(join(root, 'cgroup.controllers'), constants.F_OK)) return { version: 2, directory: root };
  return undefined;
}

/** Why containers cannot be frozen through the groups below this root; undefined if they can. Read-only. */
export async function freezerTrouble(root: string): Promise<Trouble | undefined> {
  const mount = await findFreezerMount(root);
  if (mount === undefined) return trouble(`no control groups with a freezer are mounted at ${root}`);
  if (await may(mount.directory, constants.W_OK)) return undefined;
  return trouble(`the control groups at ${mount.directory} are not writable`);
}

/** Like `freezerTrouble`, but tests it by freezing an empty group that it creates and removes. */
export async function tryFreezer(root: string): Promise<Trouble | undefined> {
  const mount = await findFreezerMount(root);
  if (mount === undefined) return freezerTrouble(root);
  const group = join(mount.directory, `fnfleet-check-${process.pid}`);
  try {
    await mkdir(group);
  } catch (error) {
    return trouble(`cannot create a control group in ${mount.directory}: ${(error as Error).message}`);
  }
  try {
    const freezer: Freezer = mount.version === 1 ? new FreezerV1(group) : new FreezerV2(group);
    await freezer.freeze();
    await freezer.thaw();
    return undefined;
  } catch (error) {
    return trouble(`cannot freeze a control group in ${mount.directory}: ${(error as Error).message}`);
  } finally {
    await rmdir(group).catch(() => undefined);
  }
}

function trouble(what: string): Trouble {
  return { grave: false, what: `${what}, so idle containers are paused through the engine`, remedy: REMEDY };
}

function may(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}
