import { setTimeout as sleep } from 'node:timers/promises';
import { step } from './shell.mjs';

/** Another process may hold the lock. apt waits for it when it installs packages, but not when it fetches the lists. */
const TRIES = 8;
const PAUSE_MS = 5_000;

/** Fetches the package lists, which a fresh machine does not have. Needs root. */
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

/** Needs root. @param {string} name */
export function installPackage(name) {
  const wait = ['-o', `DPkg::Lock::Timeout=${(TRIES * PAUSE_MS) / 1000}`];
  return step(`installing ${name}`, 'apt-get', ['install', '-y', '-q', '--no-install-recommends', ...wait, name], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
}
