// takes: 8 s
import type { RequestListener } from 'node:http';
import { request } from 'node:https';
import { connect, type Socket } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import { Deferred, FakeClock, MIB, readSettings, systemClock } from '@fnfleet/core';
import { fixedIdentity, issueCertificate, newAuthority, parseAltName } from '@fnfleet/tls';
import { sendError } from './answers.js';
import { HttpService, type HttpServiceOptions } from './http-service.js';
import { readBody } from './request-body.js';
import { httpSettings } from './settings.js';

describe('a client that holds its connection', () => {
  const sockets: Socket[] = [];
  let service: HttpService;

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await service?.close();
    expect([service?.inFlight ?? 0, service?.connections ?? 0]).toEqual([0, 0]);
  });

  async function listen(handler: RequestListener, limits: HttpServiceOptions['limits']): Promise<void> {
    service = new HttpService({ handler, host: '127.0.0.1', port: 0, limits });
    await service.ready;
  }

  function dial(bytes: string): Socket {
    const socket = connect(service.address.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(bytes);
    sockets.push(socket);
    return socket;
  }

  /** All that comes, until the connection is closed by the other side. */
  function received(socket: Socket): Promise<string> {
    return textOf(socket).catch(() => 'reset');
  }

  const ordinary = async () => (await fetch(service.address.url)).status;

  const echo: RequestListener = (req, res) => {
    if (req.method === 'GET') return void res.end('ordinary');
    readBody(req, 0).then(
      (body) => res.end(body),
      (error) => sendError(res, error),
    );
  };

  it('is limited by default: heads, silence, and the number of connections', () => {
    expect(readSettings(httpSettings, {})).toMatchObject({
      maxRequestHeaderBytes: 32_768,
      headerReadTimeoutMs: 10_000,
      stallTimeoutMs: 60_000,
      idleTimeoutMs: 120_000,
      maxConnections: 10_000,
    });
  });

  const HEAD = 'POST / HTTP/1.1\r\nHost: a\r\n';

  const HEAD_LIMIT = { headerReadTimeoutMs: 200 };
  const BODY_LIMIT = { stallTimeoutMs: 200 };

  it.each`
    what                                  | limits        | sends                                                         | answer
    ${'nothing at all'}                   | ${HEAD_LIMIT} | ${''}                                                         | ${/^(|HTTP\/1\.1 408 .*)$/s}
    ${'a head that never ends'}           | ${HEAD_LIMIT} | ${'GET / HTTP/1.1\r\nHost: a\r\nX: y'}                        | ${/^HTTP\/1\.1 408 /}
    ${'a head and nothing of its body'}   | ${BODY_LIMIT} | ${`${HEAD}Content-Length: 9\r\n\r\n`}                         | ${/^HTTP\/1\.1 408 .*"Timed out reading the request"/s}
    ${'a body that stops in the middle'}  | ${BODY_LIMIT} | ${`${HEAD}Content-Length: 9\r\n\r\n12345`}                    | ${/^HTTP\/1\.1 408 /}
    ${'a chunk that stops in the middle'} | ${BODY_LIMIT} | ${`${HEAD}Transfer-Encoding: chunked\r\n\r\n9\r\n12345`}      | ${/^HTTP\/1\.1 408 /}
    ${'chunks without the last one'}      | ${BODY_LIMIT} | ${`${HEAD}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n`}      | ${/^HTTP\/1\.1 408 /}
    ${'a body announced and waited with'} | ${BODY_LIMIT} | ${`${HEAD}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n`} | ${/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 408 /}
  `('with $what is disconnected', async ({ limits, sends, answer }) => {
    // One limit at a time: on a busy machine any of two may come first.
    await listen(echo, limits);
    expect(await received(dial(sends))).toMatch(answer);
    expect(await ordinary()).toBe(200);
  });

  async function listenTls(limits: HttpServiceOptions['limits']): Promise<void> {
    const nowMs = systemClock.wallNow();
    const authority = newAuthority({ commonName: 'CA', days: 1, nowMs });
    const altNames = ['127.0.0.1'].map(parseAltName);
    const issued = issueCertificate(authority, { commonName: 'node', altNames, days: 1, nowMs });
    const tls = fixedIdentity({ ...issued, ca: authority.cert });
    service = new HttpService({ handler: echo, host: '127.0.0.1', port: 0, tls, limits });
    await service.ready;
  }

  it.each`
    what         | sends
    ${'nothing'} | ${''}
    ${'a part'}  | ${'\x16\x03\x01'}
  `('with a TLS handshake of which it sends $what is disconnected', async ({ sends }) => {
    await listenTls({ headerReadTimeoutMs: 50 });
    expect(await received(dial(sends))).toMatch(/^(|reset)$/);
  });

  it('with a TLS handshake that never ends does not keep the port from closing', async () => {
    await listenTls({});
    const client = dial('\x16\x03\x01');
    const closed = received(client);
    while (service.connections === 0) await new Promise(setImmediate);
    await service.close();
    expect(await closed).toMatch(/^(|reset)$/);
  });

  it('with a steady but slow request is disconnected at the time limit, if there is one', async () => {
    await listen(echo, { bodyReadTimeoutMs: 100, headerReadTimeoutMs: 100 });
    const client = dial(`${HEAD}Content-Length: 100000\r\n\r\n`);
    const answer = received(client);
    const drip = setInterval(() => client.write('x'), 10);
    // What the client goes on sending may reset the connection before it has read the answer.
    expect(await answer).toMatch(/^(HTTP\/1\.1 408 |reset$)/);
    clearInterval(drip);
  });

  it('between two requests is disconnected after a while', async () => {
    await listen(echo, { idleTimeoutMs: 20 });
    const client = dial('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(await received(client)).toMatch(/^HTTP\/1\.1 200 .*ordinary/s);
  });

  it('by sending a little now and then can finish its upload, however long it takes', async () => {
    await listen(echo, { stallTimeoutMs: 1500 });
    const client = dial(`${HEAD}Connection: close\r\nContent-Length: 10\r\n\r\n`);
    const answer = received(client);
    // More than the limit in all, and much less each time.
    for (let i = 0; i < 10; i += 1) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      client.write(String(i));
    }
    expect(await answer).toMatch(/^HTTP\/1\.1 200 .*0123456789$/s);
  });

  it('because its response is not ready is not disconnected', async () => {
    const looked = new Deferred<void>();
    await listen(
      (_req, res) => {
        let looks = 0;
        res.socket?.on('timeout', () => {
          looks += 1;
          if (looks === 3) looked.resolve();
        });
        void looked.promise.then(() => res.end('late'));
      },
      { stallTimeoutMs: 400 },
    );
    expect(await received(dial('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'))).toMatch(/late$/);
  });

  it('because its body has not been read yet is not disconnected', async () => {
    const looked = new Deferred<void>();
    await listen(
      (req, res) => {
        let looks = 0;
        req.socket.on('timeout', () => {
          looks += 1;
          if (looks === 3) looked.resolve();
        });
        void looked.promise.then(() => res.writeHead(200, { Connection: 'close' }).end('unread'));
      },
      { stallTimeoutMs: 400 },
    );
    expect(await received(dial(`${HEAD}Content-Length: 9\r\n\r\n12345`))).toMatch(/^HTTP\/1\.1 200 .*unread/s);
  });

  it('and never reads its response is disconnected', async () => {
    const closed = new Deferred<boolean>();
    await listen(
      (req, res) => {
        if (req.url === '/') return void res.end('ordinary');
        res.once('close', () => closed.resolve(res.writableFinished));
        res.end(Buffer.alloc(64 * MIB));
      },
      { stallTimeoutMs: 1000 },
    );
    const client = dial('GET /much HTTP/1.1\r\nHost: a\r\n\r\n');
    client.pause();
    expect(await closed.promise).toBe(false);
    expect(await ordinary()).toBe(200);
  });

  it('with thousands of pipelined requests whose responses it never reads is disconnected', async () => {
    let begun = 0;
    const closed = new Deferred<void>();
    await listen(
      (req, res) => {
        begun += 1;
        if (begun === 1) req.socket.once('close', () => closed.resolve());
        res.end(Buffer.alloc(64 * 1024));
      },
      { stallTimeoutMs: 1000 },
    );
    const client = dial('GET /much HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(5000));
    client.pause();
    await closed.promise;
    expect(begun).toBeLessThanOrEqual(32);
  });

  it('and pipelines a few requests gets all responses', async () => {
    await listen(echo, {});
    const last = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
    const answers = await received(dial('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(30) + last));
    expect(answers.match(/ordinary/g)).toHaveLength(31);
  });

  it('and pipelines requests has them started one at a time', async () => {
    const begun: unknown[] = [];
    const inHand: number[] = [];
    const first = new Deferred<void>();
    await listen((req, res) => {
      begun.push(req.url);
      inHand.push(service.inFlight);
      void (req.url === '/1' ? first.promise : Promise.resolve()).then(() => res.end('ordinary'));
    }, {});
    const paths = ['/1', '/2', '/3', '/4'];
    const client = dial(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''));
    const answers = received(client);
    expect(await ordinary()).toBe(200);
    expect(begun).toEqual(['/1', '/']);
    first.resolve();
    while (begun.length < 5) await new Promise(setImmediate);
    client.end();
    expect((await answers).match(/ordinary/g)).toHaveLength(4);
    expect(begun).toEqual(['/1', '/', '/2', '/3', '/4']);
  });

  it.each`
    ahead   | when
    ${3}    | ${'leaves'}
    ${3}    | ${'is answered after it left'}
    ${1000} | ${'is cut off'}
  `('and $when with $ahead pipelined requests leaves none of them behind', async ({ ahead, when }) => {
    const begun = new Deferred<void>();
    const closed = new Deferred<void>();
    await listen((req, res) => {
      if (req.url === '/') return void res.end('ordinary');
      begun.resolve();
      res.once('close', () => {
        if (when === 'is answered after it left') res.end('late');
        closed.resolve();
      });
    }, {});
    const client = dial('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(1 + ahead));
    await begun.promise;
    if (when !== 'is cut off') client.destroy();
    await closed.promise;
    expect(await ordinary()).toBe(200);
    expect(await service.drain({ graceMs: 5000 })).toBe('drained');
  });

  describe('when there are too many', () => {
    const until = async (holds: () => boolean) => {
      while (!holds()) await new Promise(setImmediate);
    };
    const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

    it('is closed if it has sent no request: the oldest first', async () => {
      await listen(echo, { maxConnections: 3 });
      const held: Socket[] = [];
      for (let i = 1; i <= 3; i += 1) {
        held.push(dial('GET / HTTP/1.1\r\nHost: a\r\n'));
        await until(() => service.connections === i);
      }
      const [first, ...others] = held.map((socket) => new Promise((resolve) => socket.once('close', resolve)));
      const last = GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n');
      for (let i = 0; i < 2; i += 1) expect(await received(dial(last))).toMatch(/ordinary$/);
      await first;
      expect(await Promise.race([...others, 'still there'])).toBe('still there');
    });

    it('is closed between two requests if no other can be', async () => {
      const release = new Deferred<void>();
      await listen(
        (req, res) => void (req.url === '/' ? Promise.resolve() : release.promise).then(() => res.end('done')),
        {
          maxConnections: 2,
        },
      );
      const idle = dial(GET);
      await new Promise((resolve) => idle.once('data', resolve));
      const busy = dial('GET /later HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
      const answer = received(busy);
      await until(() => service.inFlight === 1);
      expect(await ordinary()).toBe(200);
      release.resolve();
      expect(await answer).toMatch(/done$/);
    });

    it('is refused while all others wait for responses', async () => {
      const release = new Deferred<void>();
      await listen((_req, res) => void release.promise.then(() => res.end('done')), { maxConnections: 2 });
      const busy = [1, 2].map(() => received(dial(GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))));
      await until(() => service.inFlight === 2);
      expect(await received(dial(GET))).toMatch(/^(|reset)$/);
      release.resolve();
      for (const answer of await Promise.all(busy)) expect(answer).toMatch(/done$/);
    });

    it('and uses TLS is treated in the same way', async () => {
      await listenTls({ maxConnections: 2 });
      const held = [dial('\x16\x03\x01'), dial('')];
      await until(() => service.connections === 2);
      const { port } = service.address;
      const status = await new Promise((resolve, reject) => {
        request({ host: '127.0.0.1', port, rejectUnauthorized: false, agent: false }, (res) => {
          res.resume().once('end', () => resolve(res.statusCode));
        })
          .on('error', reject)
          .end();
      });
      expect(status).toBe(200);
      expect(held.filter((socket) => !socket.destroyed)).toHaveLength(1);
    });
  });

  it.each`
    what                          | head
    ${'a very long URL'}          | ${`GET /?${'q'.repeat(MIB)} HTTP/1.1\r\nHost: a\r\n\r\n`}
    ${'a very long header'}       | ${`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(MIB)}\r\n\r\n`}
    ${'a header that never ends'} | ${`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(40_000)}`}
    ${'10 000 headers'}           | ${`GET / HTTP/1.1\r\nHost: a\r\n${'a:b\r\n'.repeat(10_000)}\r\n`}
    ${'1 500 small headers'}      | ${`GET / HTTP/1.1\r\nHost: a\r\n${'a:b\r\n'.repeat(1500)}\r\n`}
  `('with $what is refused', async ({ head }) => {
    await listen(echo, {});
    expect(await received(dial(head))).toMatch(/^(HTTP\/1\.1 431 .*too large"\}\n|reset)$/s);
    expect(await ordinary()).toBe(200);
  });

  it('leaves no timer behind', async () => {
    const clock = new FakeClock();
    service = new HttpService({ handler: echo, host: '127.0.0.1', port: 0, clock });
    await service.ready;
    expect(await ordinary()).toBe(200);
    expect(clock.pendingTimers).toBe(0);
  });
});
