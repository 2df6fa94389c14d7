import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { isDebian, isRoot } from './machine.mjs';
import { probe, ROOT, step } from './shell.mjs';

/** Where programs are unpacked that only tests need: nothing is installed on the machine, and nothing starts by itself. */
const TOOLS = path.join(ROOT, '.fnfleet/tools');
const UNPACKED = path.join(TOOLS, 'docker-registry/usr/bin/docker-registry');

/**
 * The program of a real registry of images, for tests of pulling: the machine's own, else Debian's package, unpacked
 * beside us.
 * @returns {Promise<string>} its path
 */
export async function ensureRegistry() {
  const installed = await probe('docker-registry', ['--version']);
  if (installed.code === 0) return 'docker-registry';
  if (!existsSync(UNPACKED)) await unpack('docker-registry');
  return UNPACKED;
}

/** Downloads a Debian package and unpacks it. */
async function unpack(name) {
  if (!isDebian()) {
    throw new Error(
      `The tests of pulling images need the program ${name} of the CNCF Distribution project on the PATH ` +
        '(https://github.com/distribution/distribution/releases: `registry`, under this name).',
    );
  }
  await mkdir(TOOLS, { recursive: true });
  const folder = await mkdtemp(path.join(TOOLS, 'unpacking-'));
  try {
    // Without package lists of its own the machine has nothing to download from.
    if (isRoot()) await step('fetching the package lists', 'apt-get', ['update', '-q']);
    await step(`downloading ${name}`, 'apt-get', ['download', '-q', name], { cwd: folder });
    const [archive] = (await readdir(folder)).filter((file) => file.endsWith('.deb'));
    await step(`unpacking ${name}`, 'dpkg-deb', ['-x', archive, name], { cwd: folder });
    // Another process may have been faster.
    await rename(path.join(folder, name), path.join(TOOLS, name)).catch((error) => {
      if (!existsSync(path.join(TOOLS, name))) throw error;
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
