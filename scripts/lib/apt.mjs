import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { probe, step } from './shell.mjs';

/** Another process may hold the lock. apt waits for it when it installs packages, but not when it fetches the lists. */
const TRIES = 8;
const PAUSE_MS = 5_000;
/** Of Debian's releases, older and newer ones. */
const KEYS = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** @type {Promise<void> | undefined} */
let updated;

/** Fetches the package lists, which a fresh machine does not have, once in this process. Needs root. */
export function updatePackageLists() {
  updated ??= fetchPackageLists();
  return updated;
}

async function fetchPackageLists() {
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

/**
 * Fetches the package lists of another release of Debian into a folder, from the mirror that this machine uses. What apt knows of
 * its own release stays as it is.
 * @param {string} release for example `trixie`
 * @param {string} folder
 * @returns {Promise<string[]>} options of `apt-get` that make it use them
 */
export async function listsOfRelease(release, folder) {
  const known = await probe('apt-get', ['indextargets', '--format', '$(LABEL) $(REPO_URI)', 'Created-By: Packages']);
  const mirror = /^Debian (\S+)$/m.exec(known.output)?.[1];
  if (mirror === undefined) throw new Error(`apt knows no mirror of Debian, and so none of its release ${release}`);
  const [sources, lists, archives] = ['sources.list', 'lists', 'archives'].map((name) => path.join(folder, name));
  await mkdir(`${lists}/partial`, { recursive: true });
  await mkdir(`${archives}/partial`, { recursive: true });
  await writeFile(`${sources}`, `deb [signed-by=${KEYS}] ${mirror} ${release} main\n`);
  const settings = [`Etc::sourcelist=${sources}`, 'Etc::sourceparts=-', `State::lists=${lists}`, `Cache=${archives}`];
  const options = settings.flatMap((setting) => ['-o', `Dir::${setting}`]);
  await step(`fetching the package lists of ${release}`, 'apt-get', [...options, 'update', '-q']);
  return options;
}
