import { setTimeout as sleep } from 'node:timers/promises';
import { step } from './shell.mjs';

/** Somebody else on this machine may be at it: apt waits for that itself when it installs, but not for the lists. */
const TRIES = 8;
const PAUSE_MS = 5_000;

/** Without package lists of its own a machine has nothing to install from. Needs root. */
export async function updatePackageLists() {
  for (let left = TRIES - 1; ; left -= 1) {
    try {
      return await step('fetching the package lists', 'apt-get', ['update', '-q']);
    } catch (error) {
      if (left === 0) throw error;
      await sleep(PAUSE_MS);
    }
  }
}

/** Needs root. */
export function installPackage(name) {
  const wait = ['-o', `DPkg::Lock::Timeout=${(TRIES * PAUSE_MS) / 1000}`];
  return step(`installing ${name}`, 'apt-get', ['install', '-y', '-q', '--no-install-recommends', ...wait, name], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
}
