import type { RequestListener } from 'node:http';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import { Deferred, FakeClock, FnError, MIB } from '@fnfleet/core';
import { sendEmpty, sendError } from './answers.js';
import { HttpService, type HttpServiceOptions } from './http-service.js';
import { readBody } from './request-body.js';

describe('an http service', () => {
  const sockets: Socket[] = [];
  let service: HttpService;

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await service.close();
  });

  async function listen(handler: RequestListener, options: Partial<HttpServiceOptions> = {}): Promise<void> {
    service = new HttpService({ handler, host: '127.0.0.1', port: 0, ...options });
    await service.ready;
  }

  /** A connection that has sent these bytes. */
  function dial(bytes: string): Socket {
    const socket = connect(service.address.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(bytes);
    sockets.push(socket);
    return socket;
  }

  const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

  it('reports why it cannot listen', async () => {
    await listen((_req, res) => sendEmpty(res, 200));
    const second = new HttpService({ handler: () => undefined, host: '127.0.0.1', port: service.address.port });
    await expect(second.ready).rejects.toThrow(/FN_PORT.*EADDRINUSE/);
    expect(() => second.address).toThrow('not open');
    await second.close();
  });

  it('H1: closes idle connections at once on drain', async () => {
    await listen((_req, res) => sendEmpty(res, 204));
    const idle = dial(GET);
    await new Promise((resolve) => idle.once('data', resolve));
    const ended = textOf(idle);
    expect(await service.drain({ graceMs: 60_000 })).toBe('drained');
    await ended;
  });

  it('H1: finishes a request in progress, and accepts no other', async () => {
    const arrived = new Deferred<void>();
    const release = new Deferred<void>();
    await listen(async (_req, res) => {
      arrived.resolve();
      await release.promise;
      res.end('done');
    });
    const { url } = service.address;
    const agent = new Agent({ keepAlive: true });
    const answer = new Promise<string>((resolve, reject) => {
      request(url, { agent }, (res) => textOf(res).then(resolve, reject))
        .on('error', reject)
        .end();
    });
    await arrived.promise;

    const drained = service.drain({ graceMs: 60_000 });
    expect(service.drain({ graceMs: 0 })).toBe(drained);
    expect(service.inFlight).toBe(1);
    await expect(fetch(url)).rejects.toThrow();
    release.resolve();

    expect(await answer).toBe('done');
    expect(await drained).toBe('drained');
    expect(service.inFlight).toBe(0);
    agent.destroy();
  });

  it('aborts unfinished requests after the grace period', async () => {
    const clock = new FakeClock();
    const arrived = new Deferred<void>();
    await listen(() => arrived.resolve(), { clock });
    const answer = textOf(dial(GET));
    await arrived.promise;

    const drained = service.drain({ graceMs: 1000 });
    await clock.advance(1000);
    expect(await drained).toBe('expired');
    expect(await answer).toBe('');
    expect(clock.pendingTimers).toBe(0);
  });

  it('closes at once, also when called repeatedly', async () => {
    const arrived = new Deferred<void>();
    await listen(() => arrived.resolve());
    const answer = textOf(dial(GET));
    await arrived.promise;
    const drained = service.drain({ graceMs: 60_000 });
    await Promise.all([service.close(), service.close()]);
    expect(await answer).toBe('');
    expect(await drained).toBe('expired');
  });

  it('H2: closes only the connection with invalid HTTP', async () => {
    await listen((_req, res) => sendEmpty(res, 200));
    const answer = await textOf(dial('NONSENSE\r\n\r\n'));
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(answer).toMatch(/\r\n\r\n\{"message":"Bad request: .+"\}\n$/);
    expect((await fetch(service.address.url)).status).toBe(200);
  });

  it.each(['/grüße', '/a\tb'])('H2: explains how to encode a path of %j', async (path) => {
    await listen((_req, res) => sendEmpty(res, 200));
    const answer = await textOf(dial(`GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`));
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(answer).toContain(
      '"Bad request: the path has characters that have to be percent-encoded, as in /gr%C3%BC%C3%9Fe"',
    );
  });

  it('H2: answers an invalid chunked body, and the handler gets an error', async () => {
    const failure = new Deferred<unknown>();
    await listen(async (req, res) => {
      try {
        await readBody(req, 0);
      } catch (error) {
        failure.resolve(error);
        sendError(res, error);
      }
    });
    const answer = await textOf(
      dial('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n'),
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(await failure.promise).toMatchObject({ name: 'CancelledError' });
  });

  it('refuses a head that is too large', async () => {
    await listen((_req, res) => sendEmpty(res, 200), { limits: { maxRequestHeaderBytes: 500 } });
    const answer = await textOf(dial(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(600)}\r\n\r\n`));
    expect(answer).toMatch(/^HTTP\/1\.1 431 .*\{"message":"Request header fields too large"\}\n$/s);
  });

  it('refuses a head that does not arrive in time', async () => {
    await listen((_req, res) => sendEmpty(res, 200), { limits: { headerReadTimeoutMs: 20, bodyReadTimeoutMs: 10 } });
    expect(await textOf(dial('GET / HTTP/1.1\r\n'))).toMatch(/^HTTP\/1\.1 408 /);
  });

  it('aborts a response that takes too long', async () => {
    const clock = new FakeClock();
    const arrived = new Deferred<void>();
    await listen(() => arrived.resolve(), { clock, limits: { responseWriteTimeoutMs: 1000 } });
    const answer = textOf(dial(GET));
    await arrived.promise;
    await clock.advance(1000);
    expect(await answer).toBe('');
    expect(clock.pendingTimers).toBe(0);
  });

  it('http-api 12: refuses a body over the limit while it arrives, and the client gets the response', async () => {
    await listen((req, res) => void readBody(req, 8).catch((error) => sendError(res, error)));
    const client = dial('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n');
    const closed = textOf(client);
    client.once('data', () => client.end());
    const answer = await closed;
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toContain('Content-Length too large for this server, 9 > max 8');
    expect(answer).toContain('Connection: close');
  });

  it('http-api 12: a client that sends everything before it reads gets the response, too', async () => {
    await listen((req, res) => void readBody(req, 8).catch((error) => sendError(res, error)));
    const client = dial(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${4 * MIB}\r\n\r\n`);
    client.pause();
    // More than sockets buffer: this calls back only if the server reads on.
    await new Promise<void>((resolve, reject) => {
      client.write(Buffer.alloc(4 * MIB), (error) => (error ? reject(error) : resolve()));
    });
    expect(await textOf(client)).toMatch(/^HTTP\/1\.1 413 .*Connection: close.* > max 8/s);
  });

  it('destroys the connection instead of ending an incomplete response as if it were complete', async () => {
    await listen((_req, res) => {
      res.write('half', () => sendError(res, new FnError('internal')));
    });
    const answer = await textOf(dial(GET));
    expect(answer).toContain('half');
    expect(answer).not.toMatch(/0\r\n\r\n$/);
  });

  it('http-api 85: a call whose client disconnected is 444 without a body', async () => {
    await listen((_req, res) => sendError(res, new FnError('clientCancelled')));
    const answer = await fetch(service.address.url);
    expect([answer.status, await answer.text()]).toEqual([444, '']);
  });

  describe('H5: of pipelined requests', () => {
    /** Requests that have started, and are not answered yet. */
    let started: { readonly path: string; readonly answer: () => void; readonly breakOff: () => void }[];
    /** Paths in the order in which they have started. */
    let order: string[];

    const requests = (...paths: (string | number)[]) =>
      paths.map((path) => `GET /${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join('');
    const upTo = (count: number) => Array.from({ length: count }, (_, at) => at);

    async function begin(options: Partial<HttpServiceOptions> = {}): Promise<void> {
      started = [];
      order = [];
      const handler: RequestListener = ({ url: path = '' }, res) => {
        order.push(path.slice(1));
        res.writeHead(200, { 'Content-Length': 2 * path.length });
        res.write(path);
        started.push({ path, answer: () => res.end(path), breakOff: () => res.destroy() });
      };
      await listen(handler, options);
    }

    async function next() {
      await until(() => started.length > 0);
      return started.shift() as (typeof started)[number];
    }

    async function until(holds: () => boolean): Promise<void> {
      while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
    }

    /** Two turns of the event loop per connection: whatever could still start would have. */
    async function settled(): Promise<void> {
      const probe = dial(requests('probe'));
      await until(() => order.at(-1) === 'probe');
      started.pop()?.answer();
      probe.destroy();
      await until(() => service.inFlight === 0);
      order.pop();
    }

    it('each starts when the one before it has been answered, and the last leaves an idle connection', async () => {
      await begin({ limits: { maxConnections: 1 } });
      const client = dial(requests(...upTo(32)));
      for (const at of upTo(32)) {
        const { path, answer } = await next();
        expect([path, started.length, service.inFlight, order.length]).toEqual([`/${at}`, 0, 1, at + 1]);
        answer();
      }
      await until(() => service.inFlight === 0);
      client.write(requests('again', 'once-more'));
      for (const path of ['/again', '/once-more']) {
        const found = await next();
        expect(found.path).toBe(path);
        found.answer();
      }
      // It gives way to another one, which it would not with a response that is pending.
      await until(() => service.inFlight === 0);
      const closed = new Promise((resolve) => client.once('close', resolve));
      client.resume();
      dial(requests('other'));
      expect((await next()).path).toBe('/other');
      await closed;
      expect(service.connections).toBe(1);
    });

    it.each`
      what                                     | ends
      ${'the response in progress breaks off'} | ${'breakOff'}
      ${'the client disconnects'}              | ${'client'}
      ${'one more than 32 arrives'}            | ${'more'}
    `('none starts any more when $what: nothing is held, and others are served', async ({ ends }) => {
      await begin();
      const client = dial(requests(...upTo(32)));
      client.resume();
      (await next()).answer();
      const { breakOff } = await next();
      const closed = new Promise((resolve) => client.once('close', resolve));
      if (ends === 'breakOff') breakOff();
      if (ends === 'client') client.destroy();
      // One has been answered.
      if (ends === 'more') client.write(requests('free', 'too-many'));
      await closed;
      await until(() => service.connections === 0 && service.inFlight === 0);
      await settled();
      expect(order).toEqual(['0', '1']);
      expect([started.length, service.inFlight]).toEqual([0, 0]);
    });

    it('none starts behind a response that closes the connection, as the first that begins after a drain does', async () => {
      await begin();
      const answered = textOf(dial(requests(...upTo(3))));
      const { answer } = await next();
      const drained = service.drain({ graceMs: 60_000 });
      answer();
      (await next()).answer();
      expect((await answered).match(/Connection: [\w-]+/g)).toEqual(['Connection: keep-alive', 'Connection: close']);
      expect(await drained).toBe('drained');
      expect(order).toEqual(['0', '1']);
    });
  });
});
