import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';

/** Kept reachable, so that the memory stays taken. */
const hoard = [];

/** Tries what the knobs ask for and tells how it went. */
export async function attempt({ hogMb = 0, write = [], read = [], fork = 0, keepForked = false, env = false }) {
  for (let mb = 0; mb < hogMb; mb += 1) hoard.push(Buffer.alloc(1024 * 1024, 1));
  return {
    hostname: hostname(),
    uid: process.getuid(),
    ...(env ? { env: process.env } : {}),
    ...(write.length > 0 ? { written: await each(write, ({ path, bytes }) => writing(path, bytes)) } : {}),
    ...(read.length > 0 ? { read: await each(read, (path) => reading(path)) } : {}),
    ...(fork > 0 ? { forked: await forking(fork, keepForked) } : {}),
  };
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
