import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { hostname } from 'node:os';

/** Kept reachable, so that the memory stays taken. */
const hoard = [];

/** Tries what the knobs ask for and tells how it went. */
export async function attempt(knobs) {
  const { hogMb = 0, write = [], read = [], fork = 0, keepForked = false, env = false } = knobs;
  for (let mb = 0; mb < hogMb; mb += 1) hoard.push(Buffer.alloc(1024 * 1024, 1));
  return {
    hostname: hostname(),
    uid: process.getuid(),
    ...(env ? { env: process.env } : {}),
    ...(write.length > 0 ? { written: await each(write, ({ path, bytes }) => writing(path, bytes)) } : {}),
    ...(read.length > 0 ? { read: await each(read, (path) => reading(path)) } : {}),
    ...(fork > 0 ? { forked: await forking(fork, keepForked) } : {}),
    ...(await breakingOut(knobs)),
  };
}

/** What a function tries that wants out. */
async function breakingOut({ become, dial = [], list = [], make = [], swapSocket }) {
  return {
    ...(become === undefined ? {} : { became: becoming(become) }),
    ...(dial.length > 0 ? { dialled: await each(dial, dialling) } : {}),
    ...(list.length > 0 ? { listed: await each(list, (path) => telling(path, 'entries', readdir(path))) } : {}),
    ...(make.length > 0 ? { made: await each(make, (path) => telling(path, 'made', mkdir(path))) } : {}),
    ...(swapSocket === undefined ? {} : { swapped: await swapping(swapSocket) }),
  };
}

function becoming(uid) {
  try {
    process.setuid(uid);
    return { uid: process.getuid() };
  } catch (error) {
    return { error: error.code };
  }
}

function dialling(path) {
  const socket = connect(path);
  const connected = new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  return telling(path, 'connected', connected).finally(() => socket.destroy());
}

/** Puts a link in the place of the own socket. */
async function swapping(target) {
  const path = process.env.FN_LISTENER.slice('unix:'.length);
  const swap = symlink(target, `${path}.swap`).then(() => rename(`${path}.swap`, path));
  return telling(target, 'swapped', swap);
}

/** How it went: the result, `true` when there is none, or the system's code. */
function telling(path, name, result) {
  return result.then(
    (value) => ({ path, [name]: value ?? true }),
    (error) => ({ path, error: error.code }),
  );
}

async function each(items, action) {
  const results = [];
  for (const item of items) results.push(await action(item));
  return results;
}

function writing(path, bytes) {
  return writeFile(path, Buffer.alloc(bytes, 1)).then(
    () => ({ path, bytes }),
    (error) => ({ path, error: error.code }),
  );
}

function reading(path) {
  return readFile(path, 'utf8').then(
    (text) => ({ path, text }),
    (error) => ({ path, error: error.code }),
  );
}

/** Starts processes that wait, up to a number, and ends them unless they are to be kept. */
async function forking(asked, keep) {
  const children = [];
  let error;
  while (children.length < asked && error === undefined) {
    const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)'], { stdio: 'ignore' });
    error = await new Promise((resolve) => {
      child.once('spawn', () => resolve(undefined));
      child.once('error', (cause) => resolve(cause.code));
    });
    if (error === undefined) children.push(child);
  }
  if (!keep) for (const child of children) child.kill('SIGKILL');
  return { asked, started: children.length, error };
}
