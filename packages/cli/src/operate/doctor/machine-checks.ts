import { access, constants, lstat, readFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import path from 'node:path';
import { type AgentSettings, hostFilesOf, hostResources } from '@fnfleet/agent';
import { GIB, isDeserted, silentLogger } from '@fnfleet/core';
import { type DiskNeed, type DriverCapabilities, diskRoom, diskTrouble } from '@fnfleet/drivers';
import { shownBytes } from '../../terminal/output.js';
import { type Finding, fail, ok, warn } from './finding.js';

/** Less than a function of the usual size needs together with what its start takes. */
const LITTLE_MEMORY = GIB / 2;
/** Each connection of a client or function uses one file descriptor. */
const GOOD_LIMIT = 65_536;
const LEAST_LIMIT = 4_096;

/** Checks the memory for functions by the rule of the runner, which also counts what its driver uses and where. */
export async function checkMemory(
  settings: AgentSettings,
  { outside, ownMemoryMb: driverMemoryMb }: Pick<DriverCapabilities, 'outside' | 'ownMemoryMb'> = {},
): Promise<Finding[]> {
  const remedy = 'free memory on this machine, add more, or raise FN_MAX_TOTAL_MEMORY_BYTES';
  try {
    const { memoryBytes, cpuMillis } = hostResources(
      hostFilesOf({ outside }),
      { ...settings, driverMemoryMb },
      silentLogger,
    );
    const what = `${shownBytes(memoryBytes)} and ${cpuMillis / 1000} cores for functions`;
    if (memoryBytes < LITTLE_MEMORY) return [warn('memory', `only ${what}`, remedy)];
    return [ok('memory', what)];
  } catch (error) {
    return [fail('memory', (error as Error).message, remedy)];
  }
}

/** Checks how many files a process may open that is started like this one. */
export async function checkOpenFiles(limits = '/proc/self/limits'): Promise<Finding[]> {
  const text = await readFile(limits, 'utf8').catch(() => '');
  const [, hard] = /^Max open files\s+\S+\s+(\S+)/m.exec(text) ?? [];
  if (hard === undefined) return [ok('files', 'this system does not report a limit for open files')];
  const limit = hard === 'unlimited' ? Infinity : Number(hard);
  const what = `${hard} open files allowed in a process started from here`;
  if (limit >= GOOD_LIMIT) return [ok('files', what)];
  const remedy = `raise the limit to ${GOOD_LIMIT}: LimitNOFILE= of the unit, ulimits of the container, or ulimit -Hn`;
  return [limit < LEAST_LIMIT ? fail('files', `only ${what}`, remedy) : warn('files', `only ${what}`, remedy)];
}

/** @param remedy how to free space there */
export async function diskFinding(path: string, need: DiskNeed, remedy: string): Promise<Finding> {
  const room = await diskRoom(path);
  if (room === undefined) {
    return warn('disk', `${path} cannot be seen from here`, 'run this command on that machine, or correct the path');
  }
  const trouble = diskTrouble(path, room, need, remedy);
  if (trouble === undefined) {
    return ok('disk', `${path}: ${shownBytes(room.freeBytes)} of ${shownBytes(room.totalBytes)} free`);
  }
  return { check: 'disk', verdict: trouble.grave ? 'fail' : 'warn', what: trouble.what, remedy };
}

export interface PortToCheck {
  /** The setting that defines the port. */
  readonly setting: string;
  readonly host: string;
  readonly port: number;
  /** Queries the process that listens there. @returns which node of ours it is; undefined if it is none of ours */
  readonly whoIsThere: () => Promise<string | undefined>;
}

/** Checks whether a node could listen on a port, or already does. */
export async function checkPort({ setting, host, port, whoIsThere }: PortToCheck): Promise<Finding[]> {
  if (port === 0) return [ok('port', `${setting}: any free port`)];
  const problem = await tryToListen(host, port);
  if (problem === undefined) return [ok('port', `${setting}: ${host}:${port} is free`)];
  if (problem.code === 'EADDRINUSE') {
    const who = await whoIsThere().catch(() => undefined);
    if (who !== undefined) return [ok('port', `${setting}: ${host}:${port} is used by ${who}`)];
    return [
      fail(
        'port',
        `${setting}: ${host}:${port} is in use by another process`,
        `stop it (ss -ltnp "sport = :${port}" shows it), or choose another ${setting}`,
      ),
    ];
  }
  return [
    fail('port', `${setting}: cannot listen on ${host}:${port}: ${problem.message}`, remedyFor(problem, setting)),
  ];
}

/** Checks whether a runner could listen on a unix socket, or already does. Changes nothing. */
export async function checkSocket(
  socket: string,
  { setting, whoIsThere }: Pick<PortToCheck, 'setting' | 'whoIsThere'>,
): Promise<Finding[]> {
  const found = await lstat(socket).catch(() => undefined);
  if (found === undefined) {
    const problem = await problemOfCreating(socket);
    if (problem === undefined) return [ok('port', `${setting}: ${socket} is free`)];
    const remedy = 'let the user of the runner write there, or choose a directory where it may';
    return [fail('port', `${setting}: cannot create ${socket}: ${problem}`, remedy)];
  }
  if (!found.isSocket()) {
    return [fail('port', `${setting}: ${socket} is not a socket`, `remove it, or choose another ${setting}`)];
  }
  const who = await whoIsThere().catch(() => undefined);
  if (who !== undefined) return [ok('port', `${setting}: ${socket} is used by ${who}`)];
  if (await isDeserted(() => connect(socket))) {
    return [ok('port', `${setting}: ${socket} is of a process that has ended, and will be replaced`)];
  }
  const remedy = `stop it (ss -lxp src ${socket} shows it), or choose another ${setting}`;
  return [fail('port', `${setting}: ${socket} is in use by another process`, remedy)];
}

/** @returns why a file cannot be created with its directory, undefined if it can */
async function problemOfCreating(file: string): Promise<string | undefined> {
  const directory = path.dirname(file);
  try {
    await access(directory, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? problemOfCreating(directory) : message;
  }
}

function remedyFor({ code }: NodeJS.ErrnoException, setting: string): string {
  if (code === 'EACCES') return `set ${setting} to 1024 or above, or grant CAP_NET_BIND_SERVICE`;
  if (code === 'EADDRNOTAVAIL') return 'set FN_BIND_ADDRESS to an address of this machine (ip address lists them)';
  return 'set FN_BIND_ADDRESS to an address of this machine';
}

function tryToListen(host: string, port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen(port, host, () => server.close(() => resolve(undefined)));
  });
}
