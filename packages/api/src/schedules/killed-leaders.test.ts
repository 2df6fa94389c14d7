// needs: postgres
// takes: 30 s
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { decodeQueuedRequest, readSettings } from '@fnfleet/core';
import { openQueue, queueSettings } from '@fnfleet/queue';
import { PostgresServer } from '@fnfleet/testing';
import { ApiProcess } from '../test-kit/api-process.js';

/** More with `FNFLEET_KILLS=3`. */
const ROUNDS = Number(process.env.FNFLEET_KILLS ?? 1);
/** Several transactions a second: a kill is likely to hit between a push and its record. */
const SCHEDULES = 120;

let server: PostgresServer;
let folder: string;

beforeAll(async () => {
  server = await PostgresServer.start();
});
afterAll(() => server.close());
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'fnfleet-killed-leaders-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it.each`
  database      | urlOf                                                    | queueOf
  ${'SQLite'}   | ${async () => `sqlite3://${folder}/fn.db`}               | ${() => `sqlite3://${folder}/fn-mq.db`}
  ${'Postgres'} | ${async () => server.url(await server.createDatabase())} | ${(url: string) => url}
`(
  'with database and queue in $database, every second fires once while the leader is killed again and again',
  async ({ database, urlOf, queueOf }) => {
    const url: string = await urlOf();
    // The server of the tests does not sync: only its clients are killed.
    const env = { FN_DB_URL: url, FN_MQ_ALLOW_UNSYNCED: '1' };
    const nodes = [await ApiProcess.start(env), await ApiProcess.start(env)];
    try {
      const [first, last] = await createSchedules(nodes[0]?.url ?? '');
      for (let round = 0; round <= ROUNDS; round += 1) {
        // In the end each has fired, the last one of the last transaction too.
        await firesAgain(nodes[0]?.url ?? '', round === ROUNDS ? last : first);
        if (round === ROUNDS) break;
        // One of them leads: it dies in the middle of what it has to catch up, or of a second.
        for (const which of [0, 1]) {
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 300));
          await nodes[which]?.kill();
        }
        for (const which of [0, 1]) nodes[which] = await ApiProcess.start(env);
      }
    } finally {
      for (const node of nodes) await node.kill();
    }
    const fired = await instantsIn(queueOf(url));
    const number = [...fired.values()].reduce((sum, { length }) => sum + length, 0);
    process.stderr.write(`${database}: ${ROUNDS} leaders killed, ${number} firings of ${fired.size} schedules\n`);
    expect(fired.size).toBe(SCHEDULES);
    for (const instants of fired.values()) {
      const [first = 0] = instants;
      expect(instants).toEqual(instants.map((_, index) => first + index * 1_000));
    }
  },
  180_000,
);

/** @returns the ids of the first one, which is recorded before the last ones are pushed, and of the last one */
async function createSchedules(url: string): Promise<[first: string, last: string]> {
  const make = async (what: string, body: object): Promise<string> => {
    const response = await fetch(`${url}/v2/${what}`, { method: 'POST', body: JSON.stringify(body) });
    expect(response.status).toBe(200);
    return ((await response.json()) as { id: string }).id;
  };
  const app_id = await make('apps', { name: 'shop' });
  const fn_id = await make('fns', { name: 'f', app_id, image: 'img' });
  const annotations = { 'fnfleet/schedule': { catch_up: 'all' } };
  const common = { app_id, fn_id, type: 'schedule', source: '* * * * * *', annotations };
  const first = await make('triggers', { name: 'first', ...common });
  let last = first;
  for (let i = 1; i < SCHEDULES; i += 1) last = await make('triggers', { name: `t${i}`, ...common });
  return [first, last];
}

/** Resolves when a schedule has fired after this was called: as the database says, so that no node opens the queue for it. */
async function firesAgain(url: string, triggerId: string): Promise<void> {
  const last = async () => {
    const response = await fetch(`${url}/v2/triggers/${triggerId}`);
    return ((await response.json()) as { last_fire_at?: string }).last_fire_at;
  };
  const before = await last();
  while ((await last()) === before) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** What the queue has accepted: the instants of each schedule in order. */
async function instantsIn(url: string): Promise<ReadonlyMap<string, number[]>> {
  const queue = await openQueue({ ...readSettings(queueSettings, { FN_MQ_ALLOW_UNSYNCED: '1' }), mqUrl: url });
  const fired = new Map<string, number[]>();
  let cursor: string | undefined;
  do {
    const page = await queue.list({ limit: 100, cursor });
    for (const { callId } of page.calls) {
      const { headers } = decodeQueuedRequest((await queue.payload(callId))?.head ?? '');
      const id = String(headers['Fn-Schedule-Id']);
      fired.set(id, [...(fired.get(id) ?? []), Date.parse(String(headers['Fn-Schedule-Due']))]);
    }
    cursor = page.next;
  } while (cursor !== undefined);
  await queue.close();
  for (const instants of fired.values()) instants.sort((one, other) => one - other);
  return fired;
}
