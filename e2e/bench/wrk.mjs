import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const MS_PER_UNIT = new Map([
  ['us', 0.001],
  ['ms', 1],
  ['s', 1000],
]);

/**
 * @typedef {object} Load the result of one
 * @property {number} rate calls per second
 * @property {number} p50 milliseconds
 * @property {number} p99 milliseconds
 * @property {number} failed calls
 */

/** Makes sure that the load generator is installed: as root on Debian, installs it. */
export const ensureWrk = () => ensure('wrk');

/** Makes sure that strace, which counts system calls, is installed. */
export const ensureStrace = () => ensure('strace');

/** @param {string} program its name, and that of its Debian package */
async function ensure(program) {
  // wrk ends with code 1 when it has told its version.
  const missing = await run(program, ['--version']).then(
    () => false,
    (error) => error.code === 'ENOENT',
  );
  if (!missing) return;
  if (process.getuid?.() !== 0) throw new Error(`the bench needs ${program}: apt-get install ${program}`);
  console.error(`• installing ${program} …`);
  await run('apt-get', ['install', '-y', '-q', program], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
}

/**
 * Puts load on a URL: a closed loop of clients, each of which sends a POST and waits for the response.
 * @param {string} url
 * @param {{ clients: number, seconds: number, headers?: Record<string, string>, bytes?: number }} options
 * @returns {Promise<Load>}
 */
export async function load(url, { clients, seconds, headers = {}, bytes = 2 }) {
  const folder = mkdtempSync(path.join(tmpdir(), 'fnfleet-wrk-'));
  const script = path.join(folder, 'post.lua');
  const sent = Object.entries({ 'content-type': 'application/json', ...headers });
  const lines = sent.map(([name, value]) => `wrk.headers["${name}"] = "${value}"\n`);
  writeFileSync(
    script,
    `wrk.method = "POST"\nwrk.body = ${bytes === 2 ? '"{}"' : `string.rep("x", ${bytes})`}\n${lines.join('')}`,
  );
  try {
    const { stdout } = await run('wrk', [
      '-t1',
      `-c${clients}`,
      `-d${Math.max(1, Math.round(seconds))}s`,
      '--latency',
      '-s',
      script,
      url,
    ]);
    return parse(stdout);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** @param {string} text what wrk prints @returns {Load} */
function parse(text) {
  const number = (/** @type {RegExp} */ pattern) => Number(text.match(pattern)?.[1] ?? 0);
  const socketErrors =
    text.match(/Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/)?.slice(1) ?? [];
  return {
    rate: number(/Requests\/sec:\s+([\d.]+)/),
    p50: milliseconds(text.match(/50%\s+([\d.]+)(us|ms|s)/)),
    p99: milliseconds(text.match(/99%\s+([\d.]+)(us|ms|s)/)),
    failed: number(/Non-2xx or 3xx responses: (\d+)/) + socketErrors.reduce((sum, count) => sum + Number(count), 0),
  };
}

/** @param {RegExpMatchArray | null} match a number and its unit */
function milliseconds(match) {
  const [, number, unit = ''] = match ?? [];
  return Number(number) * (MS_PER_UNIT.get(unit) ?? Number.NaN);
}
