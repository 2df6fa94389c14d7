import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FakeClock } from '@fnfleet/core';
import { eventually } from '@fnfleet/testing';
import { HttpFailure, type JsonRequest, requestJson, streamJson } from './json-http.js';

let clock: FakeClock;
let server: Server;
let url: string;
let life: AbortController;
/** Requests that have arrived and whose connection is still open. */
let open: () => number;
beforeEach(() => {
  clock = new FakeClock();
  life = new AbortController();
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  expect(clock.pendingTimers).toBe(0);
});

async function serve(answer: RequestListener): Promise<void> {
  let count = 0;
  open = () => count;
  server = createServer((req, res) => {
    count += 1;
    res.on('close', () => {
      count -= 1;
    });
    answer(req, res);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const limits = () => ({ clock, timeoutMs: 5_000, signal: life.signal });
const ask = (parts: Partial<JsonRequest> = {}) =>
  requestJson({ method: 'GET', url: `${url}/v3/x?y=1`, ...parts }, limits());
const failureOf = async (asked: Promise<unknown>): Promise<string> => {
  try {
    return `answered ${JSON.stringify(await asked)}`;
  } catch (error) {
    return (error as Error).message;
  }
};

/** The values of a stream, and how it ended. */
async function follow(): Promise<{ values: unknown[]; end: string }> {
  const values: unknown[] = [];
  try {
    for await (const value of streamJson({ method: 'GET', url }, limits())) values.push(value);
    return { values, end: 'in order' };
  } catch (error) {
    return { values, end: (error as Error).message };
  }
}

describe('a JSON request', () => {
  it('is sent with the given headers and body', async () => {
    await serve(async (req, res) => {
      const body = (await req.toArray()).join('');
      const { method, url: path, headers } = req;
      res.end(
        JSON.stringify({
          method,
          path,
          body,
          accept: headers.accept,
          type: headers['content-type'],
          mine: headers.mine,
        }),
      );
    });
    expect(await ask()).toEqual({ method: 'GET', path: '/v3/x?y=1', body: '', accept: 'application/json' });
    expect(await ask({ method: 'POST', body: { a: 1 }, headers: { mine: 'yes' } })).toEqual({
      method: 'POST',
      path: '/v3/x?y=1',
      body: '{"a":1}',
      accept: 'application/json',
      type: 'application/json',
      mine: 'yes',
    });
  });

  it('receives multi-byte characters whole, however they are split', async () => {
    await serve((_req, res) => {
      const bytes = Buffer.from('"€"');
      res.write(bytes.subarray(0, 2));
      setImmediate(() => res.end(bytes.subarray(2)));
    });
    expect(await ask()).toBe('€');
  });

  it.each`
    what                             | status | body                              | message
    ${'a message'}                   | ${500} | ${'{"message":"leader changed"}'} | ${'answers 500: leader changed'}
    ${'a page'}                      | ${404} | ${'<h1>not\n found</h1>'}         | ${'answers 404: <h1>not found</h1>'}
    ${'a message that is not text'}  | ${400} | ${'{"message":7}'}                | ${'answers 400: {"message":7}'}
    ${'nothing'}                     | ${300} | ${''}                             | ${'answers 300: '}
    ${'a JSON without a message'}    | ${401} | ${'null'}                         | ${'answers 401: null'}
    ${'more than is shown'}          | ${500} | ${'x'.repeat(201)}                | ${`answers 500: ${'x'.repeat(200)}…`}
    ${'exactly as much as is shown'} | ${500} | ${'x'.repeat(200)}                | ${`answers 500: ${'x'.repeat(200)}`}
  `('with status $status and $what fails with the message of the server', async ({ status, body, message }) => {
    await serve((_req, res) => res.writeHead(status).end(body));
    const failure = await ask().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(HttpFailure);
    expect(failure).toMatchObject({ status, message: `${url} ${message}` });
  });

  it.each([200, 201, 299])('with status %i succeeds', async (status) => {
    await serve((_req, res) => res.writeHead(status).end('1'));
    expect(await ask()).toBe(1);
  });

  it('ends a response that is far too long', async () => {
    await serve((_req, res) => {
      const more = () => void (res.write('x'.repeat(1024 * 1024)) ? setImmediate(more) : res.once('drain', more));
      more();
    });
    expect(await failureOf(ask())).toBe(`${url}: the response is too long`);
    await eventually(() => expect(open()).toBe(0));
  });

  it('fails with the beginning of a response that is not JSON', async () => {
    await serve((_req, res) => res.end('hello  there'));
    expect(await failureOf(ask())).toBe(`${url}: ${url} did not return JSON: hello there`.slice(url.length + 2));
  });

  it('fails with the name of a server that is not reachable', async () => {
    await serve(() => undefined);
    const gone = 'http://127.0.0.1:1';
    expect(await failureOf(ask({ url: gone }))).toBe(`${gone}: connect ECONNREFUSED 127.0.0.1:1`);
  });

  it.each`
    what                         | begins
    ${'never answers'}           | ${false}
    ${'never ends its response'} | ${true}
  `('to a server that $what times out', async ({ begins }) => {
    await serve((_req, res) => begins && res.write('{'));
    const asked = failureOf(ask());
    await eventually(() => expect(open()).toBe(1));
    await clock.advance(4_999);
    expect(open()).toBe(1);
    await clock.advance(1);
    expect(await asked).toBe(`${url}: no response within 5000 ms`);
    await eventually(() => expect(open()).toBe(0));
  });

  it('that is aborted fails with the reason of the caller', async () => {
    await serve(() => undefined);
    const asked = failureOf(ask());
    await eventually(() => expect(open()).toBe(1));
    life.abort(new Error('enough'));
    expect(await asked).toBe(`${url}: enough`);
    await eventually(() => expect(open()).toBe(0));
  });
});

describe('a stream of JSON values', () => {
  it('has one value per line, however the lines are split; empty lines are ignored', async () => {
    await serve((_req, res) => {
      res.write('{"a":1}\n\n{"b"');
      setImmediate(() => res.end(':2}\n  \n3\n'));
    });
    expect(await follow()).toEqual({ values: [{ a: 1 }, { b: 2 }, 3], end: 'in order' });
  });

  it('ignores an incomplete last line', async () => {
    await serve((_req, res) => res.end('1\n2'));
    expect(await follow()).toEqual({ values: [1], end: 'in order' });
  });

  it('ends at a line that is far too long', async () => {
    await serve((_req, res) => {
      const more = () => void (res.write('x'.repeat(1024 * 1024)) ? setImmediate(more) : res.once('drain', more));
      more();
    });
    expect(await follow()).toEqual({ values: [], end: `${url}: a line is too long` });
    await eventually(() => expect(open()).toBe(0));
  });

  it('ends at a line that is not JSON', async () => {
    await serve((_req, res) => res.end('1\nhello\n2\n'));
    expect(await follow()).toEqual({ values: [1], end: `${url} did not return JSON: hello` });
  });

  it('with an error status ends before it begins', async () => {
    await serve((_req, res) => res.writeHead(503).end('no'));
    expect(await follow()).toEqual({ values: [], end: `${url} answers 503: no` });
  });

  it('reports a broken connection with the name of the server', async () => {
    await serve((_req, res) => {
      res.write('1\n');
      setTimeout(() => res.destroy(), 10);
    });
    expect(await follow()).toEqual({ values: [1], end: `${url}: aborted` });
  });

  it('has to begin in time, and may then last', async () => {
    await serve((_req, res) => void setTimeout(() => res.write('1\n'), 10));
    const values = streamJson({ method: 'GET', url }, limits());
    expect(await values.next()).toEqual({ done: false, value: 1 });
    expect(clock.pendingTimers).toBe(0);
    await values.return();
    await eventually(() => expect(open()).toBe(0));
  });

  it('that does not begin times out', async () => {
    await serve(() => undefined);
    const followed = follow();
    await eventually(() => expect(open()).toBe(1));
    await clock.advance(5_000);
    expect(await followed).toEqual({ values: [], end: `${url}: no response within 5000 ms` });
    life.abort();
  });

  it('that is aborted fails with the reason of the caller', async () => {
    await serve((_req, res) => res.write('1\n'));
    const followed = follow();
    await eventually(() => expect(open()).toBe(1));
    life.abort(new Error('enough'));
    expect((await followed).end).toBe(`${url}: enough`);
    await eventually(() => expect(open()).toBe(0));
  });
});
