import { type App, FakeClock, type Fn, FnError, parseApp, parseFn } from '@fnfleet/core';
import { type MessageQueue, openSqliteQueue } from '@fnfleet/queue';
import type { Datastore } from '../datastore/datastore.js';
import { TermsOfFunctions } from './owners-terms.js';

const clock = new FakeClock();
let queue: MessageQueue;
let reads: string[];
let trouble: Error | undefined;
let owned: MessageQueue;
let terms: TermsOfFunctions;

beforeEach(async () => {
  queue = await openSqliteQueue({ path: ':memory:', clock });
  reads = [];
  trouble = undefined;
  const get = (id: string) => {
    reads.push(id);
    return trouble;
  };
  const store = {
    fns: {
      async get(id: string): Promise<Fn> {
        const error = get(id) ?? (id === 'gone' ? new FnError('fnNotFound') : undefined);
        if (error !== undefined) throw error;
        return parseFn(JSON.stringify({ id, app_id: 'a', annotations: { n: reads.length } }));
      },
    },
    apps: {
      async get(id: string): Promise<App> {
        const error = get(id);
        if (error !== undefined) throw error;
        return parseApp(JSON.stringify({ id }));
      },
    },
  } as unknown as Pick<Datastore, 'fns' | 'apps'>;
  terms = new TermsOfFunctions(store, clock, [(fn, _message, app) => ({ head: `${fn.annotations.n} of ${app?.id}` })]);
  owned = terms.of(queue);
});
afterEach(() => queue.close());

let pushed = 0;
async function push(fnId = 'f'): Promise<string | undefined> {
  pushed += 1;
  const callId = `c${String(pushed).padStart(6, '0')}`;
  await owned.push({ callId, fnId, head: 'given', body: Buffer.alloc(0) });
  return (await queue.payload(callId))?.head;
}

it('a thousand calls that come within a second read their function once', async () => {
  const heads = await Promise.all(Array.from({ length: 1_000 }, () => push()));
  expect(new Set(heads)).toEqual(new Set(['1 of a']));
  expect(reads).toEqual(['f', 'a']);
  await clock.advance(1_000);
  expect(await push()).toBe('3 of a');
  terms.forget('f');
  expect(await push()).toBe('5 of a');
  terms.forgetAll();
  expect(await push()).toBe('6 of a');
});

it('a call of a function that does not exist is accepted, and ends when it would start', async () => {
  expect(await push('gone')).toBe('given');
});

it('while the database cannot be read, calls of functions that are known are accepted, and others are refused', async () => {
  expect(await push()).toBe('1 of a');
  await clock.advance(1_000);
  trouble = new FnError('databaseBusy');
  expect(await push()).toBe('1 of a');
  await expect(push('other')).rejects.toMatchObject({ code: 'databaseBusy' });
  trouble = undefined;
  expect(await push('other')).toBe('6 of a');
});

it('remembers ten thousand functions', async () => {
  for (let n = 0; n <= 10_000; n += 1) await terms.read(`f${n}`);
  const before = reads.length;
  await terms.read('f10000');
  await terms.read('f1');
  expect(reads.length).toBe(before);
  await terms.read('f0');
  expect(reads.length).toBe(before + 1);
});
