import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { runCommand } from '../test-kit/run-command.js';

/** A fleet in one server: what it answers to the call, and to whoever asks about it. */
let server: Server;
let url: string;
let answer: (res: ServerResponse) => void;
let explanation: object | undefined;

const STARTED = { at_ms: 1, event: 'said', runner: 'r1:9190', text: 'started' };
const PULLING = 'The image is being pulled';

beforeAll(async () => {
  server = createServer((req, res) => {
    const path = (req.url ?? '').replace(/\?.*/, '');
    const json = (status: number, body: object) => {
      res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    if (path === '/v2/apps') return json(200, { items: [{ id: 'a', name: 'shop' }] });
    if (path === '/v2/fns') {
      const annotations = { 'fnproject.io/fn/invokeEndpoint': `${url}/invoke/f` };
      return json(200, { items: [{ id: 'f', app_id: 'a', name: 'cart', image: 'a/b:1', annotations }] });
    }
    if (path === '/invoke/f') return answer(res.setHeader('Fn-Call-Id', 'c1'));
    if (path === '/explain/c1' && explanation !== undefined) return json(200, explanation);
    json(404, { message: 'not here' });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());
afterEach(() => {
  process.exitCode = undefined;
});

it('leaves nothing on the output of the process, which the next command shares here', async () => {
  answer = (res) => res.end('hello');
  const before = process.stdout.rawListeners('error');
  await runCommand('invoke', 'shop', 'cart', '--data', '{}', '--api', url);
  await runCommand('logs', 'cart', '--app', 'shop', '--no-follow', '--lb', url, '--api', url);
  expect(process.stdout.rawListeners('error')).toEqual(before);
});

function failsWith(status: number, headers: Record<string, string>, error: string, told: object | undefined) {
  // What only operators are told comes after a colon.
  const message = error.replace(/: .*/, '');
  answer = (res) => res.writeHead(status, headers).end(JSON.stringify({ message }));
  explanation = told && {
    call_id: 'c1',
    fn_id: 'f',
    app_id: 'a',
    arrived_at: 't',
    state: 'failed',
    error,
    events: [],
    omitted: 0,
    ...told,
  };
  return runCommand('invoke', 'shop', 'cart', '--data', '{}', '--api', url);
}

it('says when to retry, and suggests no logs command if there can be no output', async () => {
  const { output, code } = await failsWith(503, { 'Retry-After': '10' }, PULLING, {});
  expect(output).toBe(
    `{"message":"${PULLING}"}fnfleet: the call failed with status 503 (call c1); try again in 10 s\n`,
  );
  expect(code).toBe(1);
});

it('reports why a function failed, and which command shows its output', async () => {
  const { output } = await failsWith(502, {}, 'error receiving function response: exit code 9', { events: [STARTED] });
  expect(output).toMatch(
    /fnfleet: the call failed with status 502 \(call c1\)\n {2}why: {4}.*exit code 9\n {2}output: fnfleet logs cart --app shop --no-follow\n$/,
  );
});

it('does not repeat what the response already said', async () => {
  const { output } = await failsWith(504, {}, 'Timed out', { events: [STARTED] });
  expect(output).toBe(
    '{"message":"Timed out"}fnfleet: the call failed with status 504 (call c1)\n  output: fnfleet logs cart --app shop --no-follow\n',
  );
});

it('explains a long error response of the function itself', async () => {
  explanation = { call_id: 'c1', fn_id: 'f', app_id: 'a', arrived_at: 't', state: 'failed', events: [], omitted: 0 };
  explanation = { ...explanation, error: 'function failed' };
  const long = 'x'.repeat(100_000);
  answer = (res) => res.writeHead(500).end(long);
  const { output } = await runCommand('invoke', 'shop', 'cart', '--data', '{}', '--api', url);
  expect(output.replace(long, '<all of it>')).toBe(
    '<all of it>fnfleet: the call failed with status 500 (call c1)\n  why:    function failed\n',
  );
});

it.each([
  ['a time of day', 'Wed, 21 Oct 2026 07:28:00 GMT'],
  ['something else', '10; echo'],
  ['more than anybody waits', '99999999999'],
])('ignores a Retry-After that is %s', async (_, value) => {
  const { output } = await failsWith(503, { 'Retry-After': value }, 'busy', undefined);
  expect(output).toMatch(/fnfleet: the call failed with status 503 \(call c1\)\n$/);
});

it('gives no cause to callers who may not ask the balancer', async () => {
  const { output } = await failsWith(502, {}, 'error receiving function response', undefined);
  expect(output).toMatch(/fnfleet: the call failed with status 502 \(call c1\)\n$/);
});
