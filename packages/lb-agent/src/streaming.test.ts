import { Readable } from 'node:stream';
import { RecordedMetrics } from '@fnfleet/core';
import { FakeRunner, reportOf } from '@fnfleet/placement';
import { type FleetOptions, TestFleet } from './test-kit/test-fleet.js';

const metrics = RecordedMetrics.install();

let runner: FakeRunner;
let fleet: TestFleet;

async function start(options: FleetOptions = {}): Promise<void> {
  fleet = await TestFleet.start([runner], options);
}

beforeEach(() => {
  metrics.reset();
  runner = new FakeRunner('r1');
});
afterEach(() => fleet.close());

describe('limits', () => {
  it('http-api 12, protocol 74: a body whose announced length exceeds the limit is not placed; one at the limit is', async () => {
    runner.finishes();
    await start({ env: { FN_MAX_REQUEST_SIZE: '10' } });

    const answer = await fleet.send('/invoke/fn1', { body: '12345678901' });

    expect(answer).toMatchObject({
      status: 413,
      body: '{"message":"Content-Length too large for this server, 11 > max 10"}\n',
    });
    expect(runner.attempts).toBe(0);
    expect(await fleet.send('/invoke/fn1', { body: '1234567890' })).toMatchObject({ status: 200 });
  });

  it('a body of unknown length has the same limit, and exceeding it ends the attempt', async () => {
    runner.finishes();
    await start({ env: { FN_MAX_REQUEST_SIZE: '10' } });

    const answer = await fleet.send('/invoke/fn1', { body: Readable.from([Buffer.alloc(8), Buffer.alloc(8)]) });

    expect(answer).toMatchObject({ status: 413 });
    expect(answer.headers['fn-call-id']).toBeDefined();
    expect(runner.bodies).toEqual([]);
  });
});

describe('clients that disconnect', () => {
  it('http-api 85, protocol 71: their call is cancelled on its runner and counts as canceled', async () => {
    const arrived = Promise.withResolvers<void>();
    const cancelled = Promise.withResolvers<void>();
    runner.does(async (_call, signal) => {
      signal.addEventListener('abort', () => cancelled.resolve(), { once: true });
      arrived.resolve();
      await cancelled.promise;
      return { kind: 'failed', blame: 'caller', error: signal.reason };
    });
    await start();
    const ended = Promise.withResolvers<void>();
    fleet.server.agent.addCallListener({ afterCall: () => ended.resolve() });

    const client = new AbortController();
    const sent = fleet.send('/invoke/fn1', { body: 'in', signal: client.signal }).catch(() => 'gone');
    await arrived.promise;
    client.abort();

    expect(await sent).toBe('gone');
    await cancelled.promise;
    await ended.promise;
    await fleet.server.drain({ graceMs: 30_000 });
    expect(metrics.sum('canceled')).toBe(1);
    expect(metrics.sum('api/response_count', { status: 444 })).toBe(1);
    expect([metrics.sum('queued'), metrics.sum('running')]).toEqual([0, 0]);
  });

  it('disconnecting in the middle of the request body cancels the call', async () => {
    const outcome = Promise.withResolvers<unknown>();
    runner.does(async (call) => {
      const error = await runner.readBody(call).catch((reason: unknown) => reason);
      outcome.resolve(error);
      return { kind: 'failed', blame: 'runner', error: error as Error };
    });
    await start({ env: { FN_COMPLETE_BODY_BYTES: '0' } });

    const body = new Readable({ read: () => undefined });
    const client = new AbortController();
    body.push('first half');
    const sent = fleet.send('/invoke/fn1', { body, signal: client.signal }).catch(() => 'gone');
    while (runner.attempts === 0) await new Promise((resolve) => setImmediate(resolve));
    client.abort();

    await sent;
    expect(await outcome.promise).toMatchObject({ name: 'CancelledError' });
  });
});

describe('streaming', () => {
  it('streams a long response, with the length that the function announced', async () => {
    const more = Promise.withResolvers<void>();
    runner.does(async (call) => {
      call.response.writeHead(200, [['Content-Length', String(40_000)]]);
      call.response.write(Buffer.alloc(20_000, 'a'));
      await more.promise;
      call.response.write(Buffer.alloc(20_000, 'b'));
      return { kind: 'finished', report: reportOf(call) };
    });
    await start();

    const response = await fetch(`${fleet.url}/invoke/fn1`, { method: 'POST' });
    const reader = response.body?.getReader();
    const first = await reader?.read();
    expect(first?.value?.length).toBeGreaterThan(0);
    expect(response.headers.get('content-length')).toBe('40000');
    more.resolve();
    let length = first?.value?.length ?? 0;
    for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) length += next.value.length;
    expect(length).toBe(40_000);
  });

  it.each`
    story                                             | announced    | outcome
    ${'the call fails in the middle of its response'} | ${undefined} | ${'fails'}
    ${'the function sends less than it announced'}    | ${'50000'}   | ${'finishes'}
  `('closes the connection when $story', async ({ announced, outcome }) => {
    runner.does(async (call) => {
      call.response.writeHead(200, announced ? [['Content-Length', announced]] : []);
      call.response.write(Buffer.alloc(20_000, 'a'));
      if (outcome === 'fails') return { kind: 'failed', blame: 'runner', error: new Error('runner lost') };
      return { kind: 'finished', report: reportOf(call) };
    });
    await start();

    await expect(fleet.send('/invoke/fn1')).rejects.toThrow();
  });

  it('a slow client applies backpressure to the runner: buffers stay bounded', async () => {
    const total = 32 * 1024 * 1024;
    const chunk = Buffer.alloc(64 * 1024, 'x');
    let written = 0;
    const stopped = Promise.withResolvers<void>();
    runner.does(async (call) => {
      call.response.writeHead(200, []);
      while (written < total) {
        written += chunk.length;
        if (!call.response.write(chunk)) {
          stopped.resolve();
          await new Promise<void>((resolve) => call.response.onDrain(resolve));
        }
      }
      return { kind: 'finished', report: reportOf(call) };
    });
    await start();

    const response = await fetch(`${fleet.url}/invoke/fn1`, { method: 'POST' });
    await stopped.promise;
    // Nobody reads: what the kernel's buffers take passes, the rest waits at the runner.
    let before = -1;
    while (before !== written) {
      before = written;
      for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(written).toBeLessThan(total / 2);
    expect(Buffer.from(await response.arrayBuffer()).length).toBe(total);
  });

  it('a slow runner applies backpressure to the client: a large upload is not buffered', async () => {
    const total = 32 * 1024 * 1024;
    const taken = Promise.withResolvers<number>();
    let sentBytes = 0;
    let peak = 0;
    runner.does(async (call) => {
      const reader = call.body.open();
      let received = 0;
      for (;;) {
        const piece = reader.read();
        if (piece === undefined) {
          await new Promise<void>((resolve) => {
            reader.onReadable = resolve;
          });
          continue;
        }
        received += piece.data.length;
        peak = Math.max(peak, sentBytes - received);
        if (piece.last) break;
        await new Promise((resolve) => setImmediate(resolve));
      }
      reader.close();
      taken.resolve(received);
      call.response.writeHead(200, []);
      return { kind: 'finished', report: reportOf(call) };
    });
    await start({ env: { FN_REPLAY_BUFFER_BYTES: '65536' } });

    const body = new Readable({
      read(size) {
        if (sentBytes >= total) return void this.push(null);
        sentBytes += size;
        this.push(Buffer.alloc(size));
      },
    });
    expect(await fleet.send('/invoke/fn1', { body })).toMatchObject({ status: 200 });
    expect(await taken.promise).toBe(sentBytes);
    expect(peak).toBeLessThan(total / 2);
    expect(runner.offered[0]?.body.replayable).toBe(false);
  });
});
