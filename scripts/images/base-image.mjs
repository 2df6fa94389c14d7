import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { buildImage, inspectImage, tryPull } from './engine.mjs';

/**
 * The base image of Node functions: `node:24-slim` where the machine has it or can pull it; without a registry, an image made
 * of the Node that runs this script and the libraries it loads, without a shell.
 */
const OFFICIAL = 'node:24-slim';
const OWN = 'fnfleet/node-base:24';

const PULL_TIMEOUT_MS = 5_000;
const FN_UID = 1000;
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

/**
 * @param {{ progress?: import('./engine.mjs').Progress }} [options]
 * @returns {Promise<string>} the name to give to `FROM`
 */
export async function ensureBaseImage({ progress = () => undefined } = {}) {
  if (await inspectImage(OFFICIAL)) return OFFICIAL;
  // A machine that once had to make its own base does not wait for a registry again.
  if (!(await inspectImage(OWN))) {
    progress(`${OFFICIAL}: not on this machine, trying to pull it for ${PULL_TIMEOUT_MS / 1000} s`);
    if (await tryPull(OFFICIAL, PULL_TIMEOUT_MS)) return OFFICIAL;
    progress(`${OFFICIAL}: no registry can be reached, making ${OWN} from ${process.execPath}`);
  }
  await buildImage({ tag: OWN, entries: await baseEntries(), progress });
  return OWN;
}

const DOCKERFILE = `FROM scratch
COPY rootfs /
ENV PATH=/usr/local/bin:/usr/bin:/bin
USER ${FN_UID}:${FN_UID}
CMD ["node"]
`;

async function baseEntries() {
  return [
    { path: 'Dockerfile', content: Buffer.from(DOCKERFILE) },
    ...(await programEntries(process.execPath, 'usr/local/bin/node')),
  ];
}

/**
 * A root file system, below `rootfs/`, with one program, the libraries it loads, and the files that every program expects.
 * @param {string} program absolute
 * @param {string} at its path in the image
 * @returns {Promise<import('./tar.mjs').TarEntry[]>}
 */
export async function programEntries(program, at) {
  /** @type {{ path: string, file: string, mode?: number }[]} */
  const files = [
    { path: at, file: program, mode: 0o755 },
    ...(await librariesOf(program)).map((file) => ({ path: file.slice(1), file, mode: 0o755 })),
    ...(existsSync(CERTIFICATES) ? [{ path: CERTIFICATES.slice(1), file: CERTIFICATES }] : []),
  ];
  const sized = await Promise.all(
    files.map(async ({ file, ...rest }) => ({ ...rest, file: await realpath(file), size: (await stat(file)).size })),
  );
  const contents = [
    { path: 'etc/passwd', content: Buffer.from(`root:x:0:0:root:/:\nfn:x:${FN_UID}:${FN_UID}:fn:/tmp:\n`) },
    { path: 'etc/group', content: Buffer.from(`root:x:0:\nfn:x:${FN_UID}:\n`) },
    { path: 'etc/nsswitch.conf', content: Buffer.from('hosts: files dns\n') },
  ];
  const rootfs = [...sized, ...contents].sort((a, b) => (a.path < b.path ? -1 : 1));
  return [
    ...parentsOf(rootfs).map((path) => ({ path: `rootfs/${path}`, directory: /** @type {const} */ (true) })),
    { path: 'rootfs/tmp', directory: /** @type {const} */ (true), mode: 0o1777 },
    ...rootfs.map((entry) => ({ ...entry, path: `rootfs/${entry.path}` })),
  ];
}

/**
 * The shared libraries of a program, and its loader, by the paths that the loader looks for.
 * @param {string} program
 */
async function librariesOf(program) {
  const { stdout } = await promisify(execFile)('ldd', [program]).catch((cause) => {
    throw new Error(`cannot list the libraries of ${program}; put ${OFFICIAL} on this machine instead`, { cause });
  });
  const lines = stdout.matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm);
  return [...new Set([...lines].map(([, path = '']) => path))];
}

/**
 * Every directory that the entries need, outermost first.
 * @param {readonly { path: string }[]} entries
 */
function parentsOf(entries) {
  const found = new Set();
  for (const { path } of entries) {
    for (let parent = dirname(path); parent !== '.'; parent = dirname(parent)) found.add(parent);
  }
  return [...found].sort();
}
