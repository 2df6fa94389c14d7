// takes: 5 s
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { count, FakeClock, RecordedMetrics } from '@fnfleet/core';
import { fn, rawFn, type ScriptedFunction } from '@fnfleet/drivers';
import { RecordingWriter } from '@fnfleet/testing';
import { withSignal } from './call/call-options.js';
import { StreamBody } from './test-kit/caller-ends.js';
import { echo, HeldFunction, NOTHING_LEFT, outcomeOf, TestAgent } from './test-kit/test-agent.js';

const metrics = RecordedMetrics.install();
count('calls', 0);

let test: TestAgent;

beforeEach(() => metrics.reset());
afterEach(async () => {
  expect(await test.leftovers(metrics)).toEqual(NOTHING_LEFT);
});

/** Answers each request, once its head is there, with these bytes. */
const answersWith = (bytes: string, then: 'keep' | 'end' = 'keep'): ScriptedFunction =>
  rawFn((socket) => socket.on('data', () => (then === 'end' ? socket.end(bytes) : socket.write(bytes))));

describe('the response', () => {
  it('agent-and-docker 72, 81: headers are copied without hop-by-hop headers; Fn-Http-* pass in both directions', async () => {
    const trigger = fn((req, res) => {
      res.setHeader('fn-http-status', '201').setHeader('Fn-Http-H-X', ['1', '2']);
      res.setHeader('Content-Type', 'text/x').setHeader('X-Got', String(req.headers['fn-http-h-y']));
      res.setHeader('Keep-Alive', 'timeout=9').setHeader('Connection', 'keep-alive').removeHeader('Date');
      res.end('ok');
    });
    test = new TestAgent({ trigger });
    const writer = await test.answer({ image: 'trigger', headers: { 'Fn-Http-H-Y': ['y'] } });
    expect(writer.status).toBe(200);
    expect(writer.headers).toEqual([
      ['Fn-Http-Status', '201'],
      ['Fn-Http-H-X', '1'],
      ['Fn-Http-H-X', '2'],
      ['Content-Type', 'text/x'],
      ['X-Got', 'y'],
      ['Content-Length', '2'],
    ]);
  });

  it.each`
    answer             | write                                                                  | seen
    ${'with a length'} | ${(res: ServerResponse, body: Buffer) => res.end(body)}                | ${0}
    ${'in chunks'}     | ${(res: ServerResponse, body: Buffer) => res.write(body) && res.end()} | ${2048}
  `(
    'agent-and-docker 73: a body $answer over the limit is refused, and its container keeps serving',
    async ({ write, seen }) => {
      const sizes = [2048, 2049, 5000, 1];
      const big = fn((req, res) => req.resume() && write(res, Buffer.alloc(sizes.shift() ?? 0)));
      test = new TestAgent({ big }, { settings: { maxResponseBytes: 2048 } });
      expect((await test.answer({ image: 'big' })).body).toHaveLength(2048);
      for (const _ of [2049, 5000]) {
        const { writer, done } = await test.invoke({ image: 'big' });
        await expect(done).rejects.toMatchObject({ status: 502, message: 'function response body too large' });
        // Where the length was announced nothing has gone out, and the caller gets a whole answer: 502.
        expect(writer.status).toBe(seen === 0 ? undefined : 200);
        expect(writer.body).toHaveLength(seen);
      }
      await test.answer({ image: 'big' });
      expect(test.driver.counters.created).toBe(1);
    },
  );

  it('agent-and-docker 74: headers over the limit end the container', async () => {
    const wide = fn((_req, res) => res.setHeader('X-Wide', 'x'.repeat(1100)).end());
    test = new TestAgent({ wide, echo }, { settings: { maxResponseHeaderBytes: 1024 } });
    await test.answer({});
    const { done } = await test.invoke({ image: 'wide' });
    await expect(done).rejects.toMatchObject({ status: 502, message: 'function response header too large' });
    while (test.driver.counters.live > 1) await turn();
  });

  it('agent-and-docker 75: headers arrive with an empty body', async () => {
    test = new TestAgent({ empty: fn((req, res) => req.resume() && res.setHeader('X-Only', 'me').end()) });
    const writer = await test.answer({ image: 'empty' });
    expect(writer.headers).toContainEqual(['X-Only', 'me']);
    expect(writer.body).toHaveLength(0);
  });

  it.each([
    ['garbage', 'this is not HTTP\r\n\r\n'],
    ['an unsolicited 100 Continue', 'HTTP/1.1 100 Continue\r\n\r\n'],
    ['an unsolicited upgrade', 'HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'],
  ])('agent-and-docker 76: %s ends the container', async (_, bytes) => {
    test = new TestAgent({ odd: answersWith(bytes) });
    const { writer, done } = await test.invoke({ image: 'odd' });
    await expect(done).rejects.toMatchObject({ status: 502, message: 'error receiving function response' });
    expect(writer.status).toBeUndefined();
    await test.outcome({ image: 'odd' });
    expect(test.driver.counters.created).toBe(2);
  });

  it('a connection that ends without a response ends the container, and nothing is sent twice', async () => {
    let requests = 0;
    const hangsUp: ScriptedFunction = rawFn((socket) => {
      socket.on('data', () => {
        requests += 1;
        socket.end();
      });
    });
    test = new TestAgent({ hangsUp });
    expect(await test.outcome({ image: 'hangsUp' })).toBe('functionResponse');
    expect(requests).toBe(1);
  });

  it('agent-and-docker 77: a response that ends with its connection is complete', async () => {
    test = new TestAgent({ closing: answersWith('HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nall of it', 'end') });
    for (const _ of [1, 2]) expect((await test.answer({ image: 'closing' })).body.toString()).toBe('all of it');
    expect(test.driver.counters.created).toBe(1);
  });

  it.each([
    ['shorter than its Content-Length', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort'],
    ['that ends within a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nshort'],
    ['without its last chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n'],
  ])('a response %s is reported as truncated', async (_, bytes) => {
    test = new TestAgent({ short: answersWith(bytes, 'end') });
    const { writer, done } = await test.invoke({ image: 'short' });
    await expect(done).rejects.toMatchObject({ status: 502, message: 'function response ended early' });
    expect(writer.body.toString()).toBe('short');
  });

  it('informational responses are skipped', async () => {
    const early = 'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
    test = new TestAgent({ early: answersWith(early) });
    const writer = await test.answer({ image: 'early' });
    expect(writer.body.toString()).toBe('ok');
    expect(writer.headers).toEqual([['Content-Length', '2']]);
  });

  it('agent-and-docker 78: an idle connection is closed after a second; there are never two', async () => {
    const sockets: Socket[] = [];
    let most = 0;
    const counting: ScriptedFunction = rawFn((socket, container) => {
      sockets.push(socket);
      socket.on('data', () => {
        most = Math.max(most, container.connections);
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
      });
    });
    const clock = new FakeClock();
    test = new TestAgent({ counting }, { clock });
    for (let i = 0; i < 5; i += 1) await test.answer({ image: 'counting' });
    expect(sockets).toHaveLength(1);
    const ended = once(sockets[0] as Socket, 'end');
    await clock.advance(700);
    await test.answer({ image: 'counting' });
    await clock.advance(700);
    await test.answer({ image: 'counting' });
    expect(sockets).toHaveLength(1);
    await clock.advance(1_000);
    await ended;
    await test.answer({ image: 'counting' });
    expect(sockets).toHaveLength(2);
    expect(most).toBe(1);
  });

  it('a reused connection stays open for as long as its call takes', async () => {
    const clock = new FakeClock();
    const held = new HeldFunction();
    test = new TestAgent({ held }, { clock });
    for (const [index, ms] of [0, 5_000, 800, 5_000].entries()) {
      const call = await test.invoke({ image: 'held' });
      await held.arrived(index + 1);
      await clock.advance(ms);
      held.answer(index, 'well');
      await call.done;
      expect(call.writer.body.toString()).toBe('well');
    }
    expect(test.driver.counters.created).toBe(1);
  });

  it('bytes after a response close its connection, and the container keeps serving', async () => {
    const chatty = answersWith('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood and more');
    let connections = 0;
    test = new TestAgent({
      chatty: rawFn((socket, container) => {
        connections += 1;
        chatty.connectionHandler?.(socket, container);
      }),
    });
    for (const _ of [1, 2]) expect((await test.answer({ image: 'chatty' })).body.toString()).toBe('good');
    expect([connections, test.driver.counters.created]).toEqual([2, 1]);
  });

  it('a function that announces Connection: close, but does not close, gets a new connection for the next call', async () => {
    const closing = answersWith('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlast');
    let connections = 0;
    test = new TestAgent({
      closing: rawFn((socket, container) => {
        connections += 1;
        closing.connectionHandler?.(socket, container);
      }),
    });
    for (const _ of [1, 2]) expect((await test.answer({ image: 'closing' })).body.toString()).toBe('last');
    expect([connections, test.driver.counters.created]).toEqual([2, 1]);
  });

  it('agent-and-docker 80: a response before the request is complete is rejected, and none of it is passed on', async () => {
    const hasty = fn((_req, res) => res.end('too early'));
    test = new TestAgent({ hasty });
    const body = new StreamBody();
    const call = await test.invoke({ image: 'hasty', body });
    body.source.write('beginning');
    await expect(call.done).rejects.toMatchObject({
      status: 502,
      message: 'function invoked write before receiving entire request',
    });
    expect(call.writer.status).toBeUndefined();
    expect(body.discarded).toBe(true);
  });

  it.each([502, 504])(
    'a %d whose body never ends loses its connection, and its container keeps serving',
    async (status) => {
      const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
      let chatters = 0;
      const chatty = rawFn((socket) => {
        socket
          .on('error', () => undefined)
          .once('data', () => {
            chatters += 1;
            socket.write(`HTTP/1.1 ${status} No\r\nTransfer-Encoding: chunked\r\n\r\n`);
            const talk = () => {
              let goesOn = !socket.destroyed;
              while (goesOn) goesOn = socket.write(chunk);
            };
            socket.on('drain', talk);
            talk();
          });
      });
      test = new TestAgent({ chatty });
      for (const _ of [1, 2]) {
        const outcome = await test.outcome({ image: 'chatty' });
        expect(outcome).toBe(status === 502 ? 'functionFailed' : 'callTimeout');
      }
      expect([chatters, test.driver.counters.created]).toEqual([2, 1]);
    },
  );

  it('E3: a slow caller slows the function down, and still gets every byte', async () => {
    const chunk = Buffer.alloc(64 * 1024, 'x');
    const total = 200;
    let sent = 0;
    const wide = fn(async (req, res) => {
      req.resume();
      for (; sent < total; sent += 1) if (!res.write(chunk)) await once(res, 'drain');
      res.end();
    });
    test = new TestAgent({ wide });
    const writer = new RecordingWriter();
    writer.slow = true;
    const call = await test.invoke({ image: 'wide', writer });
    await writer.written();
    // The buffers between function and caller fill up, and then nothing moves.
    for (let quiet = 0, last = -1; quiet < 20; quiet = last === sent ? quiet + 1 : 0) {
      last = sent;
      await turn();
    }
    expect(sent).toBeLessThan(total / 2);
    expect(writer.body.length).toBeLessThanOrEqual(chunk.length);
    writer.release();
    await call.done;
    expect(writer.body).toHaveLength(total * chunk.length);
  });

  it('E3: bytes that arrive with the end of the connection also wait for a slow caller', async () => {
    const whole = Buffer.alloc(300 * 1024, 'y');
    const closing = rawFn((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        socket.end(whole);
      });
    });
    test = new TestAgent({ closing });
    const writer = new OnePieceATurn();
    await test.answer({ image: 'closing', writer });
    expect(writer.impatience).toBe(0);
    expect(writer.body.equals(whole)).toBe(true);
  });

  it('E3: a caller that has not read the last bytes does not block the next call of the container', async () => {
    test = new TestAgent({ echo });
    const writer = new RecordingWriter();
    writer.slow = true;
    await test.answer({ writer, body: 'slowly' });
    expect((await test.answer({ body: 'next' })).body.toString()).toBe('next');
    expect(test.driver.counters.created).toBe(1);
  });

  it('a writer that throws ends the call with its error; the container stays', async () => {
    test = new TestAgent({ echo });
    const writer = new RecordingWriter();
    writer.writeHead = () => {
      throw new Error('the client does not want it');
    };
    const { done } = await test.invoke({ writer, body: 'x' });
    await expect(done).rejects.toThrow('the client does not want it');
    await test.answer({});
    expect(test.driver.counters.created).toBe(1);
  });

  it('a timeout during a response ends the call and the container', async () => {
    const clock = new FakeClock();
    const endless = fn((req, res) => req.resume() && res.write('and so on'));
    test = new TestAgent({ endless }, { clock });
    const call = await test.invoke({ image: 'endless', timeoutSeconds: 3 });
    while (call.writer.status === undefined) await turn();
    await clock.advance(3_000);
    expect(await outcomeOf(call.done)).toBe('callTimeout');
    await test.leftovers();
    expect(test.driver.counters).toMatchObject({ created: 1, live: 0 });
  });

  it('a caller that disconnects before the response ends the container; one that disconnects during it does not', async () => {
    let write = false;
    const slow = fn((req, res) => {
      req.resume();
      if (write) res.write('part');
    });
    test = new TestAgent({ slow });
    for (const phase of ['before', 'during']) {
      write = phase === 'during';
      const caller = new AbortController();
      const call = await test.invoke({ image: 'slow', options: [withSignal(caller.signal)] });
      while ((test.driver.containers.at(-1)?.connections ?? 0) === 0) await turn();
      while (write && call.writer.status === undefined) await turn();
      caller.abort();
      expect(await outcomeOf(call.done)).toBe('CancelledError');
    }
    expect(metrics.sum('canceled')).toBe(2);
    expect(test.driver.counters.created).toBe(2);
    // A call that its caller left ends before its container is ready for another.
    while (test.driver.counters.live > 1 || metrics.sum('container_idle_total') < 1) await turn();
    expect(metrics.sum('container_idle_total')).toBe(1);
  });
});

/** Has room for one piece in each turn of the event loop, and counts what comes in spite of that. */
class OnePieceATurn extends RecordingWriter {
  impatience = 0;
  private full = false;

  override write(chunk: Buffer): boolean {
    if (this.full) this.impatience += 1;
    this.full = true;
    super.write(chunk);
    return false;
  }

  override onDrain(callback: () => void): void {
    setImmediate(() => {
      this.full = false;
      callback();
    });
  }
}

/** One turn of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
