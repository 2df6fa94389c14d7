// takes: 3 s
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { FnError } from '@fnfleet/core';
import { sendEmpty, sendError, sendJson } from './answers.js';
import { HttpService, type HttpServiceOptions } from './http-service.js';
import { createNodeApp } from './node-app.js';
import { checkDeclaredLength, discardRest, readBody } from './request-body.js';

const sockets: Socket[] = [];
let service: HttpService;

afterEach(async () => {
  expect((await fetch(`${service.address.url}/healthz`)).status).toBe(200);
  for (const socket of sockets.splice(0)) socket.destroy();
  await service.close();
  expect([service.inFlight, service.connections]).toEqual([0, 0]);
});

const MAX_BYTES = 100;

async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
  try {
    if (req.url === '/healthz') return sendEmpty(res, 200);
    if (req.url === '/unread') return sendJson(res, 200, 'none');
    if (req.url === '/released') discardRest(req);
    if (req.url === '/released' || req.url === '/stranger') throw new FnError('operatorOnly');
    checkDeclaredLength(req, MAX_BYTES);
    if (req.url === '/slow') await delay(1_000);
    sendJson(res, 200, (await readBody(req, MAX_BYTES)).length);
  } catch (error) {
    sendError(res, error);
  }
}

async function listen(options: Partial<HttpServiceOptions> = {}): Promise<void> {
  service = new HttpService({ handler: handle, host: '127.0.0.1', port: 0, ...options });
  await service.ready;
}

function dial(bytes: string): Socket {
  const socket = connect(service.address.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(bytes);
  sockets.push(socket);
  return socket;
}

const head = (path: string, length: number) =>
  `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: ${length}\r\n\r\n`;
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';

/** All that comes from now on until these words are a part of it. */
async function until(socket: Socket, words: string): Promise<string> {
  let text = '';
  await new Promise<void>((resolve) => {
    socket.on('data', (more) => {
      text += more;
      if (text.includes(words)) resolve();
    });
    socket.once('close', () => resolve());
  });
  socket.removeAllListeners('data');
  return text;
}

describe('a client that waits for leave to send its body', () => {
  it('gets it when the body is read, and sends further requests on its connection', async () => {
    await listen();
    const client = dial(head('/echo', 3));
    expect(await until(client, '\r\n\r\n')).toBe(CONTINUE);
    client.write(`123${head('/echo', 4)}`);
    expect(await until(client, CONTINUE)).toMatch(/^HTTP\/1\.1 200 OK.*\r\n\r\n3HTTP\/1\.1 100 Continue\r\n\r\n$/s);
    client.write('1234GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(await textOf(client)).toMatch(/^HTTP\/1\.1 200 OK.*\r\n\r\n4HTTP\/1\.1 200 OK/s);
  });

  it.each`
    what                               | path           | length           | answer
    ${'it has more than is accepted'}  | ${'/echo'}     | ${MAX_BYTES + 1} | ${/^HTTP\/1\.1 413 .*Connection: close\r\n.*\r\n\r\n\{"/s}
    ${'nobody knows it'}               | ${'/stranger'} | ${3}             | ${/^HTTP\/1\.1 401 .*Connection: close\r\n.*\r\n\r\n\{"/s}
    ${'its body is not read any more'} | ${'/released'} | ${3}             | ${/^HTTP\/1\.1 401 .*Connection: close\r\n.*\r\n\r\n\{"/s}
    ${'its body is not needed'}        | ${'/unread'}   | ${3}             | ${/^HTTP\/1\.1 200 .*Connection: close\r\n.*"none"/s}
  `('is answered at once without it if $what, and disconnected', async ({ path, length, answer }) => {
    await listen();
    const client = dial(head(path, length));
    const closed = once(client, 'close');
    expect(await until(client, 'e"')).toMatch(answer);
    // What it sends now is not taken for a request.
    client.end('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n');
    await closed;
  });

  it('is refused by the application of a node without it', async () => {
    const app = createNodeApp({
      settings: { maxRequestBytes: MAX_BYTES },
      routes: [{ method: 'POST', path: '/a', handle: async (req, res) => sendJson(res, 200, await readBody(req, 10)) }],
    });
    await listen({ handler: app });
    const answers: Record<string, string> = {};
    for (const [path, length] of Object.entries({ '/a': MAX_BYTES + 1, '/unknown': 3, '/a/': 3 })) {
      const client = dial(head(path, length));
      answers[path] = (await until(client, '\r\n\r\n')).slice(0, 12);
      client.end();
    }
    expect(answers).toEqual({ '/a': 'HTTP/1.1 413', '/unknown': 'HTTP/1.1 404', '/a/': 'HTTP/1.1 307' });
    const client = dial(head('/a', 3));
    expect(await until(client, '\r\n\r\n')).toBe(CONTINUE);
  });

  it('may send it without waiting, and is answered before its connection is closed', async () => {
    await listen();
    const client = dial(`${head('/stranger', 4_000_000)}${'x'.repeat(4_000_000)}`);
    expect(await textOf(client)).toMatch(/^HTTP\/1\.1 401 .*"message".*$/s);
    const other = dial(`${head('/slow', 3)}123`);
    expect(await until(other, '\r\n\r\n3')).toMatch(/HTTP\/1\.1 200 /);
    other.write(head('/echo', 3));
    expect(await until(other, '\r\n\r\n')).toBe(CONTINUE);
  });

  it('is not late with it while nobody reads', async () => {
    // Less than it takes until somebody reads.
    await listen({ limits: { stallTimeoutMs: 800 } });
    const client = dial(head('/slow', 3));
    expect(await until(client, '\r\n\r\n')).toBe(CONTINUE);
    client.write('123');
    expect(await until(client, '\r\n\r\n3')).toMatch(/^HTTP\/1\.1 200 /);
  });
});
