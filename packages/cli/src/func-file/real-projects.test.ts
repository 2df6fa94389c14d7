import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type ApiServer, apiSettings, newApiServer } from '@fnfleet/api';
import { readSettings } from '@fnfleet/core';
import type { Fetch } from '../access/secure-fetch.js';
import { ApiClient } from '../api-client.js';
import { deploy } from '../deploy/deploy.js';
import { readFuncFile } from './read-func-file.js';

/*
 * Folders in the manner of real projects, and what deploying each asks of an API node. FNFLEET_WRITE_EXPECTED=1 writes
 * what they ask now into their expected.json; read the difference before it is committed.
 */
const FIXTURES = path.join(__dirname, '../../fixtures/func-yaml');

interface Expected {
  readonly notes: readonly string[];
  /** Ids are `<app>` and `<fn>`. */
  readonly requests: readonly { readonly request: string; readonly body?: unknown }[];
}

let server: ApiServer;

beforeEach(async () => {
  server = newApiServer({
    settings: readSettings(apiSettings, { FN_DB_URL: 'sqlite3://:memory:' }),
    host: '127.0.0.1',
    port: 0,
  });
  await server.ready;
});
afterEach(() => server.close());

async function deployed(fixture: string): Promise<Expected> {
  const dir = path.join(FIXTURES, fixture);
  const { notes, ...file } = readFuncFile(dir, { registry: 'registry.example/shop' });
  const requests: { request: string; body?: unknown }[] = [];
  const ids = new Map<string, string>();
  const named = (text: string) => [...ids].reduce((shown, [id, name]) => shown.replaceAll(id, name), text);
  const recording: Fetch = async (url, options) => {
    const request = named(`${options?.method} ${url.slice(server.address.url.length)}`);
    requests.push({ request, ...(options?.body ? { body: JSON.parse(named(`${options.body}`)) } : {}) });
    const response = await fetch(url, options);
    const text = await response.text();
    if (options?.method === 'POST' && response.ok) {
      ids.set(JSON.parse(text).id, request.endsWith('/v2/apps') ? '<app>' : '<fn>');
    }
    return new Response(text, response);
  };
  await deploy(new ApiClient(server.address.url, recording), 'shop', file);
  return { notes: notes.map((note) => note.replaceAll(`${dir}/`, '')), requests };
}

const fixtures = readdirSync(FIXTURES);

it('there are twelve', () => expect(fixtures).toHaveLength(12));

it.each(fixtures)('%s is deployed as its project intends', async (fixture) => {
  const file = path.join(FIXTURES, fixture, 'expected.json');
  const found = await deployed(fixture);
  if (process.env.FNFLEET_WRITE_EXPECTED) writeFileSync(file, `${JSON.stringify(found, null, 2)}\n`);
  expect(found).toEqual(JSON.parse(readFileSync(file, 'utf8')));
});
