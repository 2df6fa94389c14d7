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
 * @property {number} calls
 * @property {number} p50 milliseconds
 * @property {number} p99 milliseconds
 * @property {number} failed calls
 * @property {readonly [number, number][]} latencies each one, milliseconds, and how many responses had it; without the responses that
 *   p50 and p99 assume
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

/** Prints each latency, and how many responses had it; and what `withoutEstimates` needs. */
const PRINT_LATENCIES = `
function done(summary, latency)
  io.write("summary ", summary.duration, " ", summary.requests, "\\n")
  for at = 1, #latency do
    local micros, count = latency(at)
    io.write("latency ", micros, " ", count, "\\n")
  end
end
`;

/**
 * Puts load on a URL: a closed loop of clients, each of which sends a POST and waits for the response.
 * @param {string} url
 * @param {object} options
 * @param {number} options.clients
 * @param {number} options.seconds
 * @param {Record<string, string>} [options.headers]
 * @param {number} [options.bytes]
 * @param {number} [options.pauseMs] of a client between two calls, on average; random between 0 and twice as much
 * @returns {Promise<Load>}
 */
export async function load(url, { clients, seconds, headers = {}, bytes = 2, pauseMs = 0 }) {
  const folder = mkdtempSync(path.join(tmpdir(), 'fnfleet-wrk-'));
  const script = path.join(folder, 'post.lua');
  const sent = Object.entries({ 'content-type': 'application/json', ...headers });
  const lines = sent.map(([name, value]) => `wrk.headers["${name}"] = "${value}"\n`);
  writeFileSync(
    script,
    [
      'wrk.method = "POST"\n',
      `wrk.body = ${bytes === 2 ? '"{}"' : `string.rep("x", ${bytes})`}\n`,
      ...lines,
      pauseMs > 0 ? `function delay() return math.random(0, ${Math.round(2 * pauseMs)}) end\n` : '',
      PRINT_LATENCIES,
    ].join(''),
  );
  try {
    const duration = Math.max(1, Math.round(seconds));
    const args = ['-t1', `-c${clients}`, `-d${duration}s`, '--latency', '-s', script, url];
    const { stdout } = await run('wrk', args, { maxBuffer: 64 * 1024 * 1024 });
    return parse(stdout, clients);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** @param {string} text what wrk prints @param {number} clients @returns {Load} */
function parse(text, clients) {
  const number = (/** @type {RegExp} */ pattern) => Number(text.match(pattern)?.[1] ?? 0);
  const socketErrors =
    text.match(/Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/)?.slice(1) ?? [];
  return {
    rate: number(/Requests\/sec:\s+([\d.]+)/),
    calls: number(/^summary \d+ (\d+)$/m),
    p50: milliseconds(text.match(/50%\s+([\d.]+)(us|ms|s)/)),
    p99: milliseconds(text.match(/99%\s+([\d.]+)(us|ms|s)/)),
    latencies: withoutEstimates(text, clients),
    failed: number(/Non-2xx or 3xx responses: (\d+)/) + socketErrors.reduce((sum, count) => sum + Number(count), 0),
  };
}

/** @param {RegExpMatchArray | null} match a number and its unit */
function milliseconds(match) {
  const [, number, unit = ''] = match ?? [];
  return Number(number) * (MS_PER_UNIT.get(unit) ?? Number.NaN);
}

/**
 * For a response that took long, wrk adds those that its client would have had to wait for in that time. They are removed again:
 * where few clients wait for each other, one pause of the machine would decide about the p99.
 * @param {string} text
 * @param {number} clients
 * @returns {[number, number][]}
 */
function withoutEstimates(text, clients) {
  const [, duration, requests] = /^summary (\d+) (\d+)$/m.exec(text) ?? [];
  const interval = Math.floor(Number(duration) / Math.floor(Number(requests) / clients));
  const counts = new Map(
    [...text.matchAll(/^latency (\d+) (\d+)$/gm)].map(([, micros, count]) => [Number(micros), Number(count)]),
  );
  for (const micros of [...counts.keys()].sort((a, b) => b - a)) {
    const count = counts.get(micros) ?? 0;
    for (let at = micros - interval; count > 0 && at > interval; at -= interval)
      counts.set(at, (counts.get(at) ?? 0) - count);
  }
  return [...counts].filter(([, count]) => count > 0).map(([micros, count]) => [micros / 1_000, count]);
}
