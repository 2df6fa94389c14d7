import { apiSettings, newApiServer } from '@fnfleet/api';
import { readSettings } from '@fnfleet/core';
import { within } from '@fnfleet/testing';
import fc from 'fast-check';
import { request } from 'undici';
import type { FuzzTarget, OpenTarget } from '../target.js';

const ANSWER_MS = 10_000;

const id = fc.constantFrom('APP', 'FN', 'TRIGGER', 'nope', '%00', '..', '');
const path = fc.oneof(
  fc
    .tuple(fc.constantFrom('/v2/apps', '/v2/fns', '/v2/triggers'), id)
    .map(([base, one]) => (one === '' ? base : `${base}/${one}`)),
  fc.constantFrom('/v2/runner/apps/APP/triggerBySource/http//x', '/v2/apps/APP/fns', '/v2/', '/v2'),
);
const query = fc.oneof(
  fc.constant(''),
  fc
    .array(
      fc.tuple(
        fc.constantFrom('per_page', 'cursor', 'name', 'app_id', 'fn_id', 'x'),
        fc.oneof(fc.constantFrom('0', '-1', '99999999999', 'APP', '%00', '%ff'), fc.webQueryParameters()),
      ),
      { maxLength: 3 },
    )
    .map((pairs) => `?${pairs.map(([name, value]) => `${name}=${value}`).join('&')}`),
);
const value = fc.oneof(
  fc.constantFrom<unknown>(
    'img:1',
    'Team/Fn:1',
    '',
    'APP',
    'FN',
    128,
    -1,
    1.5,
    1e308,
    null,
    true,
    [],
    {},
    { a: 'b' },
    { '': 'x' },
    { a: 1 },
    'http',
    '/x',
    'a\u0000b',
    '2026-01-01T00:00:00Z',
  ),
  fc.string({ maxLength: 20 }),
  fc.integer(),
  fc.object({ maxDepth: 2 }),
);
const names = [
  'id',
  'name',
  'app_id',
  'fn_id',
  'image',
  'memory',
  'timeout',
  'idle_timeout',
  'config',
  'annotations',
  'type',
  'source',
  'syslog_url',
  'created_at',
  '__proto__',
  'NAME',
];
const body = fc.oneof(
  fc
    .array(fc.tuple(fc.constantFrom(...names), value), { maxLength: 7 })
    .map(
      (fields) => `{${fields.map(([name, given]) => `${JSON.stringify(name)}:${JSON.stringify(given)}`).join(',')}}`,
    ),
  fc.json(),
  fc.string(),
  fc.constantFrom(
    '',
    '{',
    '[]',
    'null',
    `${'['.repeat(5000)}`,
    `{"a":${'['.repeat(2000)}${']'.repeat(2000)}}`,
    '{"'.repeat(2000),
  ),
);
const input = fc.record({ method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH'), path, query, body });

/** Whoever writes to the API node. */
export const rest: FuzzTarget = {
  name: 'rest',
  async open(): Promise<OpenTarget> {
    const settings = readSettings(apiSettings, { FN_DB_URL: 'sqlite3://:memory:' });
    const server = newApiServer({ settings, host: '127.0.0.1', port: 0 });
    await server.ready;
    const { url } = server.address;
    const ask = async (method: string, target: string, sent?: string) => {
      const options = {
        method: method as 'GET',
        body: sent,
        headers: sent === undefined ? {} : { 'content-type': 'application/json' },
      };
      const answer = await within(ANSWER_MS, `${method} ${target}`, request(url + target, options));
      return { status: answer.statusCode, text: await answer.body.text() };
    };
    const made = async (target: string, object: object): Promise<string> => {
      const { text } = await ask('POST', target, JSON.stringify(object));
      return JSON.parse(text).id ?? '';
    };
    /** What the names in an input stand for; made again when an input has removed it. */
    let ids = { APP: '', FN: '', TRIGGER: '' };
    const makeAll = async () => {
      const app = await made('/v2/apps', { name: `app${Math.random().toString(36).slice(2)}` });
      const fn = await made('/v2/fns', { name: 'f', app_id: app, image: 'img:1' });
      const trigger = await made('/v2/triggers', { name: 't', app_id: app, fn_id: fn, type: 'http', source: '/x' });
      ids = { APP: app, FN: fn, TRIGGER: trigger };
    };
    await makeAll();
    const named = (text: string) => text.replace(/\b(APP|FN|TRIGGER)\b/g, (name) => ids[name as keyof typeof ids]);
    return {
      property: fc.asyncProperty(input, async (given) => {
        const target = encodeURI(named(given.path + given.query).replaceAll('%', '%25')).replaceAll('%25', '%');
        const sent = given.method === 'GET' || given.method === 'DELETE' ? undefined : named(given.body);
        const { status, text } = await ask(given.method, target, sent);
        if (status >= 500) throw new Error(`${given.method} ${target}: ${status} ${text}`);
        const ordinary = await ask('GET', `/v2/apps/${ids.APP}`);
        if (ordinary.status === 404) await makeAll();
        else if (ordinary.status !== 200) throw new Error(`an ordinary read got ${ordinary.status} ${ordinary.text}`);
      }),
      settled: async () => undefined,
      close: () => server.close(),
    };
  },
};
