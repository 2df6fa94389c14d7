import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { installPackage, listsOfRelease, updatePackageLists } from './apt.mjs';
import { isDebian, isRoot } from './machine.mjs';
import { probe, ROOT, step } from './shell.mjs';

/** Programs that only tests need are unpacked here: nothing is installed on the machine, and no service starts. */
const TOOLS = path.join(ROOT, '.fnfleet/tools');

/**
 * Programs with their Debian package, their place in it, and what to do on other systems. `version` are the arguments that tell
 * whether a program works. A package without `file` is installed instead of unpacked: tests need several of its programs, or a
 * module of `program`, and run only as root. `find` looks for a program that is not on the PATH, and `before` prepares its
 * installation. `shows` is what `version` has to print. A package with `release` is that of another release of Debian, for a
 * program that this one has only in an older version.
 *
 * @typedef {{ package: string, file?: string, release?: string, program?: string, version?: string[], shows?: RegExp, hint: string, find?: () => Promise<string | undefined>, before?: () => Promise<void> }} Tool
 * @type {Record<string, Tool>}
 */
const CATALOGUE = {
  'docker-registry': {
    package: 'docker-registry',
    file: 'usr/bin/docker-registry',
    hint:
      'The tests of pulling images need the program docker-registry of the CNCF Distribution project on the PATH ' +
      '(https://github.com/distribution/distribution/releases: `registry`, under this name).',
  },
  etcd: {
    package: 'etcd-server',
    file: 'usr/bin/etcd',
    hint: 'The tests of the etcd pool need the program etcd on the PATH (https://github.com/etcd-io/etcd/releases).',
  },
  prometheus: {
    package: 'prometheus',
    file: 'usr/bin/prometheus',
    hint: 'The tests of metrics and deployments need the program prometheus on the PATH (https://prometheus.io/download).',
  },
  ip: {
    package: 'iproute2',
    version: ['-V'],
    hint: 'The tests of what a network does need the program ip on the PATH (iproute2, Linux only), and root.',
  },
  strace: {
    package: 'strace',
    version: ['-V'],
    hint: 'The test of syncs before acknowledgements needs the program strace on the PATH (https://strace.io, Linux only).',
  },
  dnsmasq: {
    package: 'dnsmasq-base',
    file: 'usr/sbin/dnsmasq',
    hint: 'The tests of the DNS pool need the program dnsmasq on the PATH.',
  },
  'systemd-analyze': {
    package: 'systemd',
    file: 'usr/bin/systemd-analyze',
    hint: 'The tests of deploy/systemd need the program systemd-analyze, of systemd 250 or newer, on the PATH.',
  },
  'docker-compose': {
    package: 'docker-compose',
    file: 'usr/bin/docker-compose',
    hint: 'The tests of deploy/compose need the program docker-compose on the PATH (https://docs.docker.com/compose/install).',
  },
  curl: {
    package: 'curl',
    file: 'usr/bin/curl',
    hint: 'The tests with other implementations of HTTP/2 need the program curl, with HTTP/2, on the PATH.',
  },
  nghttp: {
    package: 'nghttp2-client',
    file: 'usr/bin/nghttp',
    hint: 'The tests with other implementations of HTTP/2 need the programs nghttp and h2load on the PATH (https://nghttp2.org).',
  },
  h2load: {
    package: 'nghttp2-client',
    file: 'usr/bin/h2load',
    hint: 'The tests with other implementations of HTTP/2 need the programs nghttp and h2load on the PATH (https://nghttp2.org).',
  },
  'python3-h2': {
    package: 'python3-h2',
    program: '/usr/bin/python3',
    version: ['-c', 'import h2'],
    hint: 'The tests with other implementations of HTTP/2 need /usr/bin/python3 with the module h2 (https://pypi.org/project/h2).',
  },
  podman: {
    package: 'podman',
    hint: 'The tests with Podman need podman 4.3.1 or newer and runc on the PATH (https://podman.io), and root.',
  },
  postgres: {
    package: 'postgresql',
    find: newestPostgres,
    before: installPostgresWithoutServer,
    hint: 'The tests with Postgres need the programs postgres and initdb, of version 14 or newer, on the PATH or in /usr/lib/postgresql.',
  },
  'nats-server': {
    package: 'nats-server',
    file: 'usr/sbin/nats-server',
    hint: 'The tests with NATS need the program nats-server on the PATH (https://github.com/nats-io/nats-server/releases).',
  },
  'nats-server-2.10': {
    package: 'nats-server',
    file: 'usr/sbin/nats-server',
    release: 'trixie',
    program: 'nats-server',
    shows: /v(2\.[1-9]\d|[3-9])/,
    hint:
      'The tests of NATS that syncs need the program nats-server, of version 2.10 or newer, on the PATH ' +
      '(https://github.com/nats-io/nats-server/releases).',
  },
  kubectl: {
    package: 'kubernetes-client',
    file: 'usr/bin/kubectl',
    version: ['version', '--client'],
    hint: 'The tests of deploy/kubernetes need the program kubectl on the PATH (https://kubernetes.io/docs/tasks/tools).',
  },
};

/**
 * Finds a program that tests need: the machine's own, else the one of Debian's package, unpacked below `.fnfleet/tools`.
 * @param {string} name of the catalogue
 * @returns {Promise<string>} its path
 */
export async function ensureTestTool(name) {
  const tool = CATALOGUE[name];
  if (tool === undefined)
    throw new Error(`"// needs: ${name}": known are docker, root, ${Object.keys(CATALOGUE).join(', ')}`);
  const { program = name } = tool;
  if (await runs(program, tool)) return program;
  const found = await tool.find?.();
  if (found !== undefined) return found;
  if (tool.file) {
    const unpacked = path.join(folderOf(tool), tool.file);
    if (!existsSync(unpacked)) await unpack(tool);
    if (await runs(unpacked, tool)) return unpacked;
    if (tool.release) throw new Error(`${unpacked} does not run here. ${tool.hint}`);
  }
  // The unpacked program lacks libraries. With systemd, the package of podman opens the socket of its service; no other package
  // of the catalogue starts anything.
  if (!isDebian() || !isRoot()) throw new Error(`${name} does not run here. ${tool.hint}`);
  await tool.before?.();
  await installPackage(tool.package);
  return (await tool.find?.()) ?? program;
}

/** Before tests run beside each other. @param {readonly string[]} names of the catalogue */
export async function ensureTestTools(names) {
  for (const name of names) await ensureTestTool(name);
}

/** @param {string} program @param {Tool} tool */
async function runs(program, { version = ['--version'], shows = /(?:)/ }) {
  const { code, output } = await probe(program, version);
  return code === 0 && shows.test(output);
}

/** @param {Tool} tool */
function folderOf({ package: name, release }) {
  return path.join(TOOLS, release === undefined ? name : `${name}-${release}`);
}

/** Downloads a Debian package and unpacks it. @param {Tool} tool */
async function unpack(tool) {
  const { package: name, release, hint } = tool;
  if (!isDebian()) throw new Error(hint);
  await mkdir(TOOLS, { recursive: true });
  const folder = await mkdtemp(path.join(TOOLS, 'unpacking-'));
  try {
    if (isRoot()) await updatePackageLists();
    const options = release === undefined ? [] : await listsOfRelease(release, folder);
    await step(`downloading ${name}`, 'apt-get', [...options, 'download', '-q', name], { cwd: folder });
    const archive = (await readdir(folder)).find((file) => file.endsWith('.deb'));
    if (archive === undefined) throw new Error(`apt-get downloaded no archive of ${name}`);
    await step(`unpacking ${name}`, 'dpkg-deb', ['-x', archive, 'unpacked'], { cwd: folder });
    // Another process may have unpacked it meanwhile.
    await rename(path.join(folder, 'unpacked'), folderOf(tool)).catch((error) => {
      if (!existsSync(folderOf(tool))) throw error;
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Debian keeps the versions of Postgres beside each other. */
async function newestPostgres() {
  const folder = '/usr/lib/postgresql';
  const versions = existsSync(folder) ? await readdir(folder) : [];
  versions.sort((one, other) => Number(other) - Number(one));
  return versions.map((version) => `${folder}/${version}/bin/postgres`).find((program) => existsSync(program));
}

/** The package would create a database and start a server for it. */
async function installPostgresWithoutServer() {
  const folder = '/etc/postgresql-common/createcluster.d';
  await mkdir(folder, { recursive: true });
  await writeFile(`${folder}/no-main-cluster.conf`, 'create_main_cluster = false\n');
}
