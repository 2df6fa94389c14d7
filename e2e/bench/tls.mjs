import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { fleetAccess } from 'fnfleet';
import { startFleet } from './fleet.mjs';
import { median, table } from './statistics.mjs';
import { load } from './wrk.mjs';

const run = promisify(execFile);

const CLIENTS = [1, 8, 64];
const WARM_UP_SECONDS = 15;

/**
 * Fleets in plain text and with mutual TLS between all nodes, and HTTPS for callers. Runners have ports, as on machines of their own.
 * @param {import('./trees.mjs').BenchOptions} options
 */
export async function measureTls({ seconds, rounds, undo, trees }) {
  const rows = [];
  for (const tree of trees) {
    const env = await certificates(tree, undo);
    const access = fleetAccess(env);
    const plain = await (await startFleet({ undo, tree, ports: true })).deploy('micro');
    const settings = { ...env, FN_HTTP_CLIENT_CERTS: 'optional' };
    const secured = await startFleet({ undo, tree, ports: true, settings, fetch: access.fetch });
    const secure = await secured.deploy('micro');
    for (const url of [plain, secure]) await load(url, { clients: 32, seconds: WARM_UP_SECONDS });
    for (const clients of CLIENTS) {
      /** @type {Record<'plain' | 'secure', number[]>} */
      const rates = { plain: [], secure: [] };
      for (let round = 0; round < rounds; round += 1) {
        rates.plain.push((await load(plain, { clients, seconds })).rate);
        rates.secure.push((await load(secure, { clients, seconds })).rate);
      }
      const [without, withTls] = [median(rates.plain), median(rates.secure)];
      rows.push([tree.name, clients, Math.round(without), Math.round(withTls), (withTls / without).toFixed(2)]);
    }
  }
  return table(['code', 'clients', 'plain, calls/s', 'TLS, calls/s', 'ratio'], rows);
}

/**
 * Makes one certificate for all nodes and for the client that deploys. Resolves with the settings that name it.
 * @param {import('./trees.mjs').Tree} tree
 * @param {import('./clean-up.mjs').CleanUp} undo
 */
async function certificates(tree, undo) {
  const folder = mkdtempSync(path.join(tmpdir(), 'fnfleet-certs-'));
  undo.push(() => rmSync(folder, { recursive: true }));
  await run(tree.command, ['certs', 'init', '--dir', folder]);
  await run(tree.command, ['certs', 'issue', 'node', '--dir', folder, '--san', '127.0.0.1,localhost']);
  return {
    FN_TLS_CERT: path.join(folder, 'node.crt'),
    FN_TLS_KEY: path.join(folder, 'node.key'),
    FN_TLS_CA: path.join(folder, 'ca.crt'),
  };
}
