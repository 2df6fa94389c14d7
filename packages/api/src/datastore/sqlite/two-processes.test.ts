// takes: 11 s
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ApiProcess } from '../../test-kit/api-process.js';
import { killNodesWhileTheyWrite } from '../../test-kit/killed-nodes.js';
import { KEPT_CHANGES } from '../change-log.js';

/** More with `FNFLEET_KILLS=200`. */
const KILLS = Number(process.env.FNFLEET_KILLS ?? 12);

let directory: string;
const nodes: ApiProcess[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'fnfleet-processes-'));
});
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.kill()));
  rmSync(directory, { recursive: true });
});

async function start(): Promise<ApiProcess> {
  const node = await ApiProcess.start({ FN_DB_URL: `sqlite3://${join(directory, 'fn.db')}` });
  nodes.push(node);
  return node;
}

async function send(node: ApiProcess, method: string, path: string, body?: object) {
  const response = await fetch(node.url + path, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as { id: string; config?: Record<string, string> } };
}

it('two API nodes change one app in one file at the same time, and no change is lost', async () => {
  const [one, two] = [await start(), await start()];
  const { body: app } = await send(one, 'POST', '/v2/apps', { name: 'shared' });
  const changes = [one, two].flatMap((node, which) =>
    Array.from({ length: 60 }, (_, at) =>
      send(node, 'PUT', `/v2/apps/${app.id}`, { config: { [`n${which}-${at}`]: '1' } }),
    ),
  );
  expect((await Promise.all(changes)).filter(({ status }) => status !== 200)).toEqual([]);
  const { config = {} } = (await send(two, 'GET', `/v2/apps/${app.id}`)).body;
  expect(Object.keys(config)).toHaveLength(120);
});

it(`an API node that is killed ${KILLS} times while it writes keeps all acknowledged writes in a valid file`, async () => {
  const databaseUrl = `sqlite3://${join(directory, 'fn.db')}`;
  const report = await killNodesWhileTheyWrite({ databaseUrl, nodes: 1, kills: KILLS });
  nodes.push(...report.nodes);
  const { status } = await send(report.nodes[0] as ApiProcess, 'GET', `/v2/apps/${report.acknowledged.at(-1)}`);
  expect(status).toBe(200);

  const database = new DatabaseSync(join(directory, 'fn.db'));
  const rows = database.prepare('select id from apps').all();
  const recorded = database.prepare("select item_id as id from fnfleet_changes where kind = 'app' and seq > 0").all();
  const sound = database.prepare('pragma integrity_check').all();
  database.close();
  const kept = new Set(rows.map(({ id }) => id));
  const lost = report.acknowledged.filter((id) => !kept.has(id));
  process.stderr.write(
    `SQLite: ${KILLS} kills, ${report.acknowledged.length} acknowledged writes, ${lost.length} lost, ${report.unanswered} unanswered\n`,
  );
  expect(lost).toEqual([]);
  expect(sound.map((row) => row.integrity_check)).toEqual(['ok']);
  // Each change is recorded with the write, or not at all.
  if (rows.length < KEPT_CHANGES) expect(new Set(recorded.map(({ id }) => id))).toEqual(kept);
}, 1_200_000);
