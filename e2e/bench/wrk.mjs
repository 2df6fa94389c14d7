import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Makes sure that the load generator is there; on Debian as root it is installed. */
export const ensureWrk = () => ensure('wrk');

/** Likewise what counts system calls. */
export const ensureStrace = () => ensure('strace');

async function ensure(program) {
  const isThere = await run(program, ['--version']).then(
    () => true,
    ({ code }) => code !== 'ENOENT',
  );
  if (isThere) return;
  if (process.getuid?.() !== 0) throw new Error(`the bench needs ${program}: apt-get install ${program}`);
  console.error(`• installing ${program} …`);
  await run('apt-get', ['install', '-y', '-q', program], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
}

/**
 * One load: a closed loop of so many clients, each sending a POST of so many bytes and waiting for its answer.
 * @param {string} url
 * @param {{ clients: number, seconds: number, headers?: Record<string, string>, bytes?: number }} options
 * @returns {Promise<{ rate: number, p50: number, p99: number, failed: number }>} calls a second, milliseconds, calls
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

function parse(text) {
  const number = (pattern) => Number(text.match(pattern)?.[1] ?? 0);
  const socketErrors =
    text.match(/Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/)?.slice(1) ?? [];
  return {
    rate: number(/Requests\/sec:\s+([\d.]+)/),
    p50: milliseconds(text.match(/50%\s+([\d.]+)(us|ms|s)/)),
    p99: milliseconds(text.match(/99%\s+([\d.]+)(us|ms|s)/)),
    failed: number(/Non-2xx or 3xx responses: (\d+)/) + socketErrors.reduce((sum, count) => sum + Number(count), 0),
  };
}

function milliseconds(match) {
  if (!match) return Number.NaN;
  return Number(match[1]) * { us: 0.001, ms: 1, s: 1000 }[match[2]];
}
