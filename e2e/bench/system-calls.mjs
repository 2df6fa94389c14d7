import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { startFleet } from './fleet.mjs';
import { sleep } from './one-call.mjs';
import { table } from './statistics.mjs';
import { load } from './wrk.mjs';

const CLIENTS = [1, 8, 64];
const SECONDS = 4;
/** Columns, and the system calls of each. */
const KINDS = {
  epoll: /^epoll_/,
  read: /^(read|recv|recvmsg|recvfrom|readv)$/,
  write: /^(write|writev|send|sendmsg|sendto)$/,
  futex: /^futex$/,
};

/**
 * System calls per call, of balancer and runner, counted by strace. It slows them down, so rates mean nothing here.
 * @param {import('./trees.mjs').BenchOptions} options
 */
export async function measureSystemCalls({ undo, trees }) {
  const rows = [];
  for (const tree of trees) {
    const fleet = await startFleet({ undo, tree });
    const url = await fleet.deploy('micro');
    await load(url, { clients: 32, seconds: 10 });
    for (const clients of CLIENTS) {
      for (const [role, pid] of Object.entries({ balancer: fleet.lbPid, runner: fleet.runnerPid })) {
        const counting = count(pid);
        await sleep(1000);
        const { rate } = await load(url, { clients, seconds: SECONDS });
        const counted = await counting.end();
        const calls = rate * SECONDS;
        const columns = [...Object.values(KINDS), /./].map((kind) => sumOf(counted, kind) / calls);
        rows.push([tree.name, clients, role, ...columns.map((column) => column.toFixed(2))]);
      }
    }
  }
  return table(['code', 'clients', 'role', ...Object.keys(KINDS), 'all'], rows);
}

/** @param {Record<string, number>} counted @param {RegExp} names */
function sumOf(counted, names) {
  return Object.entries(counted).reduce((sum, [name, n]) => (names.test(name) ? sum + n : sum), 0);
}

/** Counts the system calls of a process by name, from now on. @param {number} pid */
function count(pid) {
  const strace = spawn('strace', ['-c', '-f', '-p', String(pid)], { stdio: ['ignore', 'ignore', 'pipe'] });
  let text = '';
  strace.stderr.on('data', (chunk) => {
    text += chunk;
  });
  const closed = once(strace, 'close');
  return {
    /** @returns {Promise<Record<string, number>>} */
    async end() {
      strace.kill('SIGINT');
      await closed;
      const lines = [...text.matchAll(/^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$/gm)];
      return Object.fromEntries(lines.filter(([, , name]) => name !== 'total').map(([, n, name]) => [name, Number(n)]));
    },
  };
}
