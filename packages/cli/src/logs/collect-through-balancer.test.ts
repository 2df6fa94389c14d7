// takes: 4 s
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type LogBatch, StreamError } from '@fnfleet/protocol';
import { plainFetch } from '../access/secure-fetch.js';
import { collectThroughBalancer } from './collect-through-balancer.js';

let server: Server;
let url: string;
let answer: (res: ServerResponse, req: IncomingMessage) => void;
const asked: unknown[] = [];

beforeAll(async () => {
  server = createServer((req, res) => {
    asked.push(req.url);
    answer(res, req);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => asked.splice(0));
afterAll(() => new Promise((resolve) => server.close(resolve)));

const LINE = { at_ms: 5, source: 'stderr', call_id: 'c', fn_id: 'f', app_id: 'a', container_id: 'k' };
const line = (text: string) => ({ ...LINE, text: Buffer.from(text).toString('base64') });

async function collected(): Promise<{ batches: LogBatch[]; opened: number; end: unknown }> {
  const batches: LogBatch[] = [];
  let opened = 0;
  const end = await collectThroughBalancer(
    url,
    plainFetch,
  )({
    address: '[::1]:9190',
    config: { fn_id: 'f', tail: '10' },
    signal: AbortSignal.timeout(60_000),
    onOpen: () => {
      opened += 1;
    },
    onBatch: async (batch) => {
      batches.push(batch);
    },
  }).catch((error: unknown) => error);
  return { batches, opened, end };
}

it('reads the lines of a runner through a balancer, in chunks of any size', async () => {
  answer = (res) => {
    const text = `${JSON.stringify({ dropped: 3, lines: [line('grüße'), line('two')] })}\n${JSON.stringify({})}\n`;
    res.flushHeaders();
    for (const byte of Buffer.from(text)) res.write(Buffer.of(byte));
    res.end();
  };
  const { batches, opened, end } = await collected();
  expect(asked).toEqual(['/fleet/runners/%5B%3A%3A1%5D%3A9190/logs?fn_id=f&tail=10']);
  expect([opened, end]).toEqual([1, undefined]);
  expect(batches).toMatchObject([
    { dropped: 3, lines: [{ text: Buffer.from('grüße'), source: 'stderr', callId: 'c', containerId: 'k' }, {}] },
    { dropped: 0, lines: [] },
  ]);
});

it.each([
  ['for operators only', 403, { message: 'no' }, 3],
  ['a runner that is not there', 404, { message: 'no' }, 3],
  ['a runner that does not answer', 502, { message: 'away', code: 14 }, 14],
  ['a balancer in trouble', 500, { message: 'oh' }, 13],
])('%s: %d, which decides whether to retry', async (_, status, body, code) => {
  answer = (res) => res.writeHead(status).end(JSON.stringify(body));
  const { end, opened } = await collected();
  expect(end).toBeInstanceOf(StreamError);
  expect([(end as StreamError).code, opened]).toEqual([code, 0]);
});

it('reports a later error from the last line', async () => {
  answer = (res) =>
    res.end(
      `${JSON.stringify({ lines: [line('one')] })}\n${JSON.stringify({ error: { code: 14, details: 'gone' } })}\n`,
    );
  const { batches, end } = await collected();
  expect([batches.length, (end as StreamError).code, (end as Error).message]).toEqual([1, 14, 'gRPC status 14: gone']);
});

it.each([
  ['a page', '<html>\n', /is not that of a balancer/],
  ['a line that never ends', 'x'.repeat(17 * 1024 * 1024), /a line of more than/],
])('rejects an answer with %s as not from a balancer', async (_, text, problem) => {
  answer = (res) => res.end(text);
  expect(String((await collected()).end)).toMatch(problem);
});
