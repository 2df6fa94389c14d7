// takes: 4 s
import { ERRORS, type ErrorCode } from '@fnfleet/core';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import Ajv from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { Datastore } from '../datastore/datastore.js';
import { type ApiContext, apiRoutes } from '../rest/api-routes.js';
import { endpointUrls } from '../rest/endpoints.js';
import { DescribedAnswers, type SeenAnswer } from '../test-kit/described-answers.js';
import { describedAnswers, TestApi } from '../test-kit/test-api.js';
import { CALL_OPERATIONS } from './call-operations.js';
import { docsPage } from './docs-page.js';
import { type DocumentOperation, documentPath, errorsOfResponse, type Json, openApiDocument } from './document.js';
import { PATH_PARAMETERS } from './operation.js';
import { API_OPERATIONS } from './operations.js';

const document = openApiDocument();
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).flatMap(([method, operation]) =>
    method === 'servers' ? [] : [{ path, method, operation: operation as DocumentOperation }],
  ),
);

describe('the document', () => {
  it('describes every route, and nothing else', () => {
    const routes = apiRoutes({} as Datastore, endpointUrls(''), {}, { publicLbUrl: '' } as ApiContext);
    const described = operations.filter(({ path }) => path.startsWith('/v2/'));
    const named = (method: string, path: string) => `${method.toUpperCase()} ${path}`;
    expect(described.map(({ path, method }) => named(method, path)).sort()).toEqual(
      routes.map(({ path, method }) => named(method, documentPath(path))).sort(),
    );
    expect(routes.every(({ access }) => access === 'operator')).toBe(true);
    expect(operations.map(({ operation }) => operation.operationId).sort()).toEqual(
      [...Object.keys(API_OPERATIONS), ...Object.keys(CALL_OPERATIONS)].sort(),
    );
  });

  it('refers to what it contains, and explains every parameter of a path', () => {
    const text = JSON.stringify(document);
    for (const [, ref = ''] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      const found = ref.split('/').reduce<unknown>((part, key) => (part as Json | undefined)?.[key], document);
      expect([ref, found]).toEqual([ref, expect.any(Object)]);
    }
    for (const { path } of operations) {
      for (const [, name = ''] of path.matchAll(/\{(\w+)\}/g)) expect(PATH_PARAMETERS).toHaveProperty(name);
    }
  });

  it('is valid OpenAPI, and its examples are valid by its schemas', async () => {
    const rules = [
      ...[
        'struct',
        'no-unresolved-refs',
        'operation-operationId-unique',
        'path-parameters-defined',
        'security-defined',
      ],
      ...['no-identical-paths', 'no-invalid-schema-examples', 'no-invalid-media-type-examples'],
    ];
    const config = await createConfig({ rules: Object.fromEntries(rules.map((rule) => [rule, 'error'])) });
    const faults = async (of: object) =>
      (await lintFromString({ source: JSON.stringify(of), config })).map(({ message }) => message);
    expect(await faults(document)).toEqual([]);
    const { paths, ...rest } = document;
    expect(await faults({ ...rest, paths: { ...paths, '/v2/apps': { gett: {} } } })).toEqual([
      expect.stringContaining('`gett` is not expected here'),
    ]);
  });

  it('names every error of the API, and each with its status', () => {
    const named = new Map<ErrorCode, string>();
    for (const { operation } of operations) {
      for (const [status, response] of Object.entries(operation.responses)) {
        for (const code of errorsOfResponse(response)) named.set(code, status);
      }
    }
    for (const [code, status] of named) expect([code, ERRORS[code].status]).toEqual([code, Number(status)]);
    const own = (Object.keys(ERRORS) as ErrorCode[]).filter((code) =>
      /^(app|fn|trigger|annotation|config|syslog)/.test(code),
    );
    expect(own.filter((code) => !named.has(code))).toEqual([]);
  });

  it('is served as it is, with the URL of the balancers', async () => {
    const api = await TestApi.start({ env: { FN_PUBLIC_LB_URL: 'https://fn.example' } });
    const { status, body, headers } = await api.get('/v2/openapi.json');
    expect([status, headers.get('content-type')]).toEqual([200, 'application/json; charset=utf-8']);
    expect(body).toEqual(JSON.parse(JSON.stringify(openApiDocument('https://fn.example'))));
    expect(JSON.stringify(body)).toContain('"url":"https://fn.example"');
    await api.close();
  });
});

describe('the page', () => {
  it('is served with a policy that allows its style and nothing else', async () => {
    const api = await TestApi.start();
    const { status, text, headers } = await api.get('/v2/docs');
    expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; style-src 'sha256-[\w+/=]{44}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
    );
    expect(text).toContain('<code class="path">/v2/apps/{app_id}</code>');
    expect(text).not.toMatch(/<script|<link|<img|\ssrc=|style="|javascript:|@import|url\(/i);
    expect([...text.matchAll(/href="([^"]*)"/g)].map(([, href]) => href)).toEqual(
      expect.arrayContaining(['/v2/openapi.json', '#App']),
    );
    await api.close();
  });

  it('shows text as text, and leads nowhere but into itself', () => {
    const title = '<script>alert("1")</script>\'&';
    const { html } = docsPage({ ...document, info: { ...document.info, title, description: title } });
    expect(html).not.toContain('<script');
    expect(html).toContain('&#60;script&#62;alert(&#34;1&#34;)&#60;/script&#62;&#39;&#38;');
    const ids = new Set([...html.matchAll(/id="([^"]*)"/g)].map(([, id]) => id));
    const links = [...html.matchAll(/href="#([^"]*)"/g)].map(([, id]) => id);
    expect(links.filter((id) => !ids.has(id))).toEqual([]);
  });
});

describe('a check of a response against the document', () => {
  const app = { id: 'i', name: 'a', created_at: '2026-01-24T10:00:00.123Z', updated_at: '2026-01-24T10:00:00.123Z' };
  const good: SeenAnswer = {
    method: 'GET',
    path: '/v2/apps/i',
    status: 200,
    headers: new Headers({ 'content-type': 'application/json; charset=utf-8', etag: '"x"' }),
    text: JSON.stringify(app),
  };
  const message = (text: string) => JSON.stringify({ message: text });
  const plain = new Headers({ 'content-type': 'text/plain', etag: '"x"' });
  const json = new Headers({ 'content-type': 'application/json' });

  it.each`
    what                        | changes
    ${'the response'}           | ${{}}
    ${'with a query'}           | ${{ path: '/v2/apps/i?x=1' }}
    ${'an error of the table'}  | ${{ status: 404, text: message('App not found') }}
    ${'an error with a reason'} | ${{ status: 400, text: message('Bad request: of any kind') }}
    ${'an unknown path'}        | ${{ path: '/v2/x', status: 404, text: message('Path not found: GET /v2/x') }}
    ${'an unknown method'}      | ${{ method: 'PATCH', status: 405, text: message('Method not allowed: PATCH /v2/apps/i') }}
    ${'a removal'}              | ${{ method: 'DELETE', status: 204, text: '', headers: new Headers() }}
  `('accepts $what', ({ changes }) => {
    expect(() => new DescribedAnswers().check({ ...good, ...changes })).not.toThrow();
  });

  it.each`
    what                            | changes                                                                       | problem
    ${'another status'}             | ${{ status: 201 }}                                                            | ${'its statuses are'}
    ${'another type of content'}    | ${{ headers: plain }}                                                         | ${'the type text/plain'}
    ${'no entity tag'}              | ${{ headers: json }}                                                          | ${'the header ETag is missing'}
    ${'a missing field'}            | ${{ text: JSON.stringify({ ...app, name: undefined }) }}                      | ${"required property 'name'"}
    ${'a field too many'}           | ${{ text: JSON.stringify({ ...app, more: 1 }) }}                              | ${'additional properties'}
    ${'a field of another type'}    | ${{ text: JSON.stringify({ ...app, name: 1 }) }}                              | ${'must be string'}
    ${'no date'}                    | ${{ text: JSON.stringify({ ...app, created_at: 'today' }) }}                  | ${'must match format'}
    ${'a wrong item of a list'}     | ${{ path: '/v2/apps', text: JSON.stringify({ items: [{ ...app, id: 1 }] }) }} | ${'must be string'}
    ${'the error of another route'} | ${{ status: 404, text: message('Fn not found') }}                             | ${'the error is none of'}
    ${'an error in other words'}    | ${{ status: 404, text: message('no such app') }}                              | ${'the error is none of'}
    ${'an error without a message'} | ${{ status: 404, text: '{}' }}                                                | ${"required property 'message'"}
    ${'a body where there is none'} | ${{ method: 'DELETE', status: 204 }}                                          | ${'a body'}
    ${'a route that is not known'}  | ${{ path: '/v2/secret' }}                                                     | ${'required property'}
    ${'a method that is not known'} | ${{ method: 'PATCH' }}                                                        | ${'required property'}
  `('refuses $what', ({ changes, problem }) => {
    expect(() => new DescribedAnswers().check({ ...good, ...changes })).toThrow(problem);
  });
});

describe('what the document says of a request is what the node does', () => {
  const ajv = new Ajv({ strict: true, allowUnionTypes: true });
  addFormats.default(ajv);
  ajv.addVocabulary(['components', 'x-errors', 'x-max-bytes', 'x-max-json-bytes']);
  ajv.addSchema({ $id: 'document', components: document.components });
  let api: TestApi;
  let owner: { app_id: string; fn_id: string };

  beforeAll(async () => {
    // It is opened when a schedule fires.
    api = await TestApi.start({ env: { FN_MQ_URL: 'sqlite3://never-opened/mq.db' } });
    const appId = await api.app('owner');
    owner = { app_id: appId, fn_id: await api.fn(appId, 'owner') };
  });
  afterAll(() => api.close());

  const keys = (count: number, value: unknown) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, value]));
  let made = 0;
  const bodies: Record<string, () => object> = {
    App: () => ({ name: `a${made}` }),
    Fn: () => ({ name: `f${made}`, app_id: owner.app_id, image: 'i:1' }),
    Trigger: () => ({ name: `t${made}`, ...owner, type: 'http', source: `/${made}` }),
  };

  it.each`
    kind         | change
    ${'App'}     | ${{}}
    ${'App'}     | ${{ name: '' }}
    ${'App'}     | ${{ name: undefined }}
    ${'App'}     | ${{ name: 1 }}
    ${'App'}     | ${{ name: 'a b' }}
    ${'App'}     | ${{ name: 'é1_-' }}
    ${'App'}     | ${{ name: 'n'.repeat(255) }}
    ${'App'}     | ${{ name: 'n'.repeat(256) }}
    ${'App'}     | ${{ config: { A: '1', B: null } }}
    ${'App'}     | ${{ config: { A: 1 } }}
    ${'App'}     | ${{ config: [] }}
    ${'App'}     | ${{ config: keys(1000, '1') }}
    ${'App'}     | ${{ config: keys(1001, '1') }}
    ${'App'}     | ${{ annotations: { 'a b': 1 } }}
    ${'App'}     | ${{ annotations: { ['k'.repeat(129)]: 1 } }}
    ${'App'}     | ${{ annotations: keys(100, { deep: [1] }) }}
    ${'App'}     | ${{ annotations: keys(101, 1) }}
    ${'App'}     | ${{ syslog_url: 'tcp://h:1' }}
    ${'App'}     | ${{ syslog_url: `tcp://${'h'.repeat(2048)}` }}
    ${'App'}     | ${{ shape: 'GENERIC_ARM' }}
    ${'App'}     | ${{ shape: 'BAD' }}
    ${'Fn'}      | ${{ memory: 0, timeout: 0, idle_timeout: 0 }}
    ${'Fn'}      | ${{ memory: 8192, timeout: 300, idle_timeout: 3600 }}
    ${'Fn'}      | ${{ memory: 8193 }}
    ${'Fn'}      | ${{ memory: -1 }}
    ${'Fn'}      | ${{ memory: 1.5 }}
    ${'Fn'}      | ${{ timeout: 301 }}
    ${'Fn'}      | ${{ timeout: '1' }}
    ${'Fn'}      | ${{ idle_timeout: 3601 }}
    ${'Fn'}      | ${{ image: '' }}
    ${'Fn'}      | ${{ image: 'i'.repeat(1025) }}
    ${'Fn'}      | ${{ name: 'a.b~c$&+:=@' }}
    ${'Fn'}      | ${{ name: 'a/b' }}
    ${'Fn'}      | ${{ app_id: undefined }}
    ${'Fn'}      | ${{ annotations: { 'fnfleet/standby': 100, 'fnfleet/idempotent': true } }}
    ${'Fn'}      | ${{ annotations: { 'fnfleet/standby': 101 } }}
    ${'Fn'}      | ${{ annotations: { 'fnfleet/idempotent': 1 } }}
    ${'Trigger'} | ${{ source: 's' }}
    ${'Trigger'} | ${{ source: `/${'s'.repeat(2048)}` }}
    ${'Trigger'} | ${{ type: 'x' }}
    ${'Trigger'} | ${{ fn_id: undefined }}
    ${'Trigger'} | ${{ annotations: { k: 1 } }}
    ${'Trigger'} | ${{ annotations: { 'fnfleet/invoke-type': 'async' } }}
    ${'Trigger'} | ${{ annotations: { 'fnfleet/invoke-type': 'later' } }}
    ${'Trigger'} | ${{ type: 'schedule', source: '@daily', annotations: { 'fnfleet/schedule': { catch_up: 'all' } } }}
    ${'Trigger'} | ${{ type: 'schedule', source: '0 3 * *' }}
    ${'Trigger'} | ${{ type: 'schedule', source: '0 3 * * *', annotations: { 'fnfleet/schedule': { catch_up: 'x' } } }}
    ${'Trigger'} | ${{ type: 'schedule', source: '0 3 * * *', annotations: { 'fnfleet/schedule': { tz: 'UTC' } } }}
  `('a new $kind with $change', async ({ kind, change }) => {
    made += 1;
    const body = { ...bodies[kind]?.(), ...change };
    const { status } = await api.post(`/v2/${kind.toLowerCase()}s`, body);
    const validate = ajv.getSchema(`document#/components/schemas/New${kind}`);
    expect([200, 400]).toContain(status);
    expect(validate?.(JSON.parse(JSON.stringify(body)))).toBe(status === 200);
  });
});

it('the suites in this process have seen described responses', () => {
  expect(describedAnswers.seen).toContain('getDocument 200');
});
