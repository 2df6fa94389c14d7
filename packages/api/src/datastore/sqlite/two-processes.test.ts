// takes: 11 s
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ApiProcess } from '../../test-kit/api-process.js';

const ROUNDS = 30;
const WRITERS = 4;

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

it(`an API node that is killed ${ROUNDS} times while it writes keeps all acknowledged writes in a valid file`, async () => {
  const acknowledged: string[] = [];
  let last = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const node = await start();
    const before = acknowledged.length;
    const wanted = before + 1 + Math.floor(Math.random() * 40);
    const write = async () => {
      for (;;) {
        last += 1;
        const { status, body } = await send(node, 'POST', '/v2/apps', { name: `app-${last}` });
        if (status === 200) acknowledged.push(body.id);
        // In the middle of what the others have sent.
        if (acknowledged.length >= wanted) await node.kill();
      }
    };
    // Each ends with its connection.
    await Promise.allSettled(Array.from({ length: WRITERS }, write));
    expect(acknowledged.length).toBeGreaterThanOrEqual(wanted);
  }

  const database = new DatabaseSync(join(directory, 'fn.db'));
  const rows = database.prepare('select id from apps').all();
  const sound = database.prepare('pragma integrity_check').all();
  database.close();
  const kept = new Set(rows.map(({ id }) => id));
  expect(acknowledged.filter((id) => !kept.has(id))).toEqual([]);
  expect(sound.map((row) => row.integrity_check)).toEqual(['ok']);
  // And it starts from that.
  const { status } = await send(await start(), 'GET', `/v2/apps/${acknowledged.at(-1)}`);
  expect(status).toBe(200);
}, 240_000);
