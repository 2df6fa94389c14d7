import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@fnfleet/core';
import { prepareFile } from '@fnfleet/sqlite';
import type { ThreadRequest } from './messages.js';
import { ThreadDatabase } from './thread-database.js';

let folder: string;
let writer: ThreadDatabase;
let reader: ThreadDatabase;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fnfleet-database-'));
  const path = join(folder, 'fn.db');
  prepareFile(path, silentLogger);
  const open = (role: 'reader' | 'writer') =>
    new ThreadDatabase({ path, role, waitMs: 100, schemaVersions: {} }, () => undefined);
  [writer, reader] = [open('writer'), open('reader')];
  writer.handle(query('create table t (n integer)'));
});
afterEach(() => {
  for (const database of [reader, writer]) database.handle({ kind: 'close' });
  rmSync(folder, { recursive: true });
});

const query = (sql: string, ...parameters: unknown[]): ThreadRequest => ({ kind: 'query', sql, parameters });

it('syncs acknowledged writes to the disk, in a log that does not block readers', () => {
  const said = ['synchronous', 'journal_mode'].map((name) =>
    Object.values(writer.handle(query(`pragma ${name}`))?.rows[0] ?? {}),
  );
  // 2 is FULL: the log is synced at each commit.
  expect(said).toEqual([[2], ['wal']]);
});

it('a reader cannot write', () => {
  expect(() => reader.handle(query('insert into t values (1)'))).toThrow('readonly');
  expect(reader.handle(query('select count(*) as n from t'))?.rows).toEqual([{ n: 0 }]);
});

it('a reader sees only committed data', () => {
  const seen = () => reader.handle(query('select n from t order by n'))?.rows;
  writer.handle({ kind: 'begin', waitMs: 100 });
  writer.handle(query('insert into t values (?)', 1));
  expect(seen()).toEqual([]);
  writer.handle({ kind: 'commit' });
  expect(seen()).toEqual([{ n: 1 }]);
  writer.handle({ kind: 'begin', waitMs: 100 });
  writer.handle(query('insert into t values (?)', 2));
  writer.handle({ kind: 'rollback' });
  writer.handle({ kind: 'rollback' });
  expect(seen()).toEqual([{ n: 1 }]);
});

it('caches a limited number of the last used prepared statements', () => {
  for (let n = 0; n < 500; n += 1) {
    expect(reader.handle(query(`select ${n} as n where ? = 1`, 1))?.rows).toEqual([{ n }]);
    expect(reader.handle(query('select 0 as n where ? = 1', 1))?.rows).toEqual([{ n: 0 }]);
  }
});
