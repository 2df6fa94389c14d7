// needs: postgres
// takes: 20 s
import { PostgresServer } from '@fnfleet/testing';
import type { ApiProcess } from '../../test-kit/api-process.js';
import { killNodesWhileTheyWrite } from '../../test-kit/killed-nodes.js';
import { KEPT_CHANGES } from '../change-log.js';

/** More with `FNFLEET_KILLS=200`. */
const KILLS = Number(process.env.FNFLEET_KILLS ?? 12);

let server: PostgresServer;
const nodes: ApiProcess[] = [];

beforeAll(async () => {
  server = await PostgresServer.start({ fsync: true });
});
afterEach(() => Promise.all(nodes.splice(0).map((node) => node.kill())));
afterAll(() => server.close());

it(`two API nodes that are killed in turn, ${KILLS} times in all, and then their server, lose no acknowledged write`, async () => {
  const database = await server.createDatabase();
  const report = await killNodesWhileTheyWrite({ databaseUrl: server.url(database), nodes: 2, kills: KILLS });
  nodes.push(...report.nodes);
  // A crash: what was only in its memory is gone.
  await server.restart();
  const rows = await server.query(database, 'select id from apps');
  const recorded = await server.query(
    database,
    'select item_id as id, seq from fnfleet_changes where seq > 0 order by seq',
  );
  const kept = new Set(rows.map(({ id }) => id));
  const lost = report.acknowledged.filter((id) => !kept.has(id));
  process.stderr.write(
    `Postgres: ${KILLS} kills of two nodes, ${report.acknowledged.length} acknowledged writes, ${lost.length} lost, ${report.unanswered} unanswered\n`,
  );
  expect(lost).toEqual([]);
  // Each change is recorded with the write, or not at all, and numbers have no gaps. The newest are kept.
  const numbers = recorded.map(({ seq }) => Number(seq));
  expect(recorded.filter(({ id }) => !kept.has(id))).toEqual([]);
  expect(numbers).toEqual(numbers.map((_, index) => rows.length - numbers.length + 1 + index));
  expect(numbers).toHaveLength(Math.min(rows.length, KEPT_CHANGES));
  // A node that waited for a killed one's lock writes at once.
  for (const { url } of report.nodes) {
    const body = JSON.stringify({ name: `after-${url.length}-${Math.random().toString(36).slice(2)}` });
    expect((await fetch(`${url}/v2/apps`, { method: 'POST', body })).status).toBe(200);
  }
}, 1_200_000);
