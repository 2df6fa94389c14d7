import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { FakeClock, FnError, later } from '@fnfleet/core';
import { SqliteThread, type SqliteThreadOptions } from './sqlite-thread.js';

/** In place of a database: does what a statement says, badly. */
const PROGRAM = `
  const { parentPort } = require('node:worker_threads');
  parentPort.on('message', ({ id, request }) => {
    if (request.kind === 'close') return parentPort.close();
    if (request.sql === 'die') process.exit(3);
    if (request.sql === 'throw') throw new Error('a fault');
    if (request.sql === 'hang') for (;;);
    if (request.sql !== 'say nothing') parentPort.postMessage({ id, answer: { rows: [request.sql] } });
  });
`;

let folder: string;
let clock: FakeClock;
let options: SqliteThreadOptions;
let thread: SqliteThread<ReturnType<typeof query>, { rows: unknown[] }>;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fnfleet-thread-'));
  const entry = join(folder, 'entry.js');
  writeFileSync(entry, PROGRAM);
  clock = new FakeClock();
  const translate = () => new Error('translated');
  options = { entry, name: 'test', data: () => undefined, clock, maxWaiting: 3, translate };
  thread = new SqliteThread(options);
});

afterEach(() => {
  expect(clock.pendingTimers).toBe(0);
  rmSync(folder, { recursive: true });
});

const ask = (sql: string) => thread.ask(query(sql), later(clock.now(), 1000));
const query = (sql: string) => ({ kind: 'query', sql }) as const;
const failure = (asked: Promise<unknown>) => asked.then(String, (error: FnError) => error.code);

it.each(['die', 'throw'])(
  'a thread that ends (%s) fails what it was asked, and another takes its place',
  async (how) => {
    const asked = [ask('say nothing'), ask(how)];
    expect(await Promise.all(asked.map(failure))).toEqual(['databaseFailed', 'databaseFailed']);
    expect(thread.waiting).toBe(0);
    expect(await ask('hello')).toEqual({ rows: ['hello'] });
    await thread.close();
  },
);

it('requests to an unresponsive thread time out, and their number is limited', async () => {
  await ask('hello');
  const asked = [ask('hang'), ask('a'), ask('b')].map(failure);
  expect(() => ask('c')).toThrow(new FnError('databaseOverloaded'));
  await clock.advance(1500);
  expect(await Promise.all(asked)).toEqual(['databaseSlow', 'databaseSlow', 'databaseSlow']);
  // It has them still, and may do them.
  expect(thread.waiting).toBe(3);
  expect(() => ask('c')).toThrow(new FnError('databaseOverloaded'));

  const closed = thread.close();
  await clock.advance(10_000);
  await closed;
  expect(thread.waiting).toBe(0);
});

it('terminates an unresponsive thread after its own time, if it has one', async () => {
  const own = new SqliteThread({ ...options, closeMs: 1_000 });
  const asked = failure(own.ask(query('hang'), later(clock.now(), 60_000)));
  const closed = own.close();
  await clock.advance(1_000);
  await closed;
  expect(await asked).toBe('databaseFailed');
});

it('the time that a thread takes to start does not count, up to a limit; that of one that replaces it neither', async () => {
  for (const _ of ['the first', 'the one after it']) {
    const starts = ask('hello');
    await clock.advance(15_000);
    expect(await starts).toEqual({ rows: ['hello'] });
    expect(await failure(ask('die'))).toBe('databaseFailed');
  }
  const hangs = failure(ask('say nothing'));
  await clock.advance(21_000);
  expect(await hangs).toBe('databaseSlow');
  await thread.close();
});

it('answers pending requests before it closes', async () => {
  const asked = [ask('a'), ask('b')];
  await Promise.all([thread.close(), ...asked]);
  expect(await Promise.all(asked)).toEqual([{ rows: ['a'] }, { rows: ['b'] }]);
});
