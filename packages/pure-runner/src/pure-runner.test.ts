// takes: 5 s
import { once } from 'node:events';
import { encodeCall, epochMs, MIB, wallMs } from '@fnfleet/core';
import { exitsAtStart, fn } from '@fnfleet/drivers';
import { ACCEPT_HEADER, ACCEPT_STARTED, MAX_FRAME_BYTES, STARTED_HEADER, startAckHeader } from '@fnfleet/protocol';
import { aCall, eventually } from '@fnfleet/testing';
import { answerOf, frame, Held, reportOf, TestRunner, type TestRunnerOptions, tryOf } from './test-kit/test-runner.js';

const echo = fn(async (request, response) => {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  response.setHeader('X-Test', ['1', '2']);
  response.setHeader('Keep-Alive', 'timeout=5');
  response.end(Buffer.concat(parts));
});
const status = (code: number) =>
  fn((request, response) => request.resume().once('end', () => response.writeHead(code).end('x')));

let runner: TestRunner;
const started = async (options: Partial<TestRunnerOptions> & Pick<TestRunnerOptions, 'functions'>) => {
  runner = await TestRunner.start(options);
  return runner;
};
afterEach(() => runner.close());

describe('the start acknowledgement', () => {
  const offer = (metadata: Record<string, string>, call: Parameters<typeof aCall>[0]) => {
    const engagement = runner.balancer.engage({ metadata });
    engagement.send(tryOf(call));
    engagement.send(frame('body', true));
    return engagement;
  };
  const asked = { [ACCEPT_HEADER]: `more, ${ACCEPT_STARTED}` };

  it('is the first message to a balancer that requests it', async () => {
    await started({ functions: { echo } });
    const engagement = offer(asked, { image: 'echo' });
    expect((await engagement.status).code).toBe(0);
    expect(engagement.received.map(({ kind }) => kind)).toEqual(['started', 'resultStart', 'data', 'finished']);
    expect((await engagement.metadata).get(STARTED_HEADER)).toEqual([startAckHeader('announced')]);
  });

  it('is announced in the response headers while the call still waits for a container', async () => {
    const held = new Held();
    await started({ functions: { held: fn(held.handler), echo }, memoryMb: 128 });
    const running = offer(asked, { image: 'held' });
    await held.untilCalled(1);
    const queued = offer(asked, { image: 'echo' });
    expect((await queued.metadata).get(STARTED_HEADER)).toEqual([startAckHeader('announced')]);
    expect(queued.received).toEqual([]);
    held.release();
    await running.status;
    await queued.status;
    expect(queued.received[0]).toEqual({ kind: 'started' });
  });

  it('is not sent to a balancer that does not request it, such as those of Fn, nor for a refused call', async () => {
    await started({ functions: { echo } });
    const ordinary = offer({}, { image: 'echo' });
    await ordinary.status;
    expect((await ordinary.metadata).get(STARTED_HEADER)).toEqual([]);
    expect(ordinary.received.map(({ kind }) => kind)).toEqual(['resultStart', 'data', 'finished']);
    const impossible = offer(asked, { image: 'echo', memoryMb: 4096 });
    await impossible.status;
    expect(impossible.received.map(({ kind }) => kind)).toEqual(['finished']);
  });
});

describe('an answer', () => {
  it('protocol 31, 40: a large body is returned in frames, with a report', async () => {
    await started({ functions: { echo } });
    const body = Buffer.alloc(25_000, 'abc').toString();
    const { kinds, messages } = await runner.run({ image: 'echo', id: '01D1ZVPBKV180G40RZJ0000007' }, body);
    expect(kinds[0]).toBe('resultStart');
    expect(kinds.at(-1)).toBe('finished');
    expect(answerOf(messages).toString()).toBe(body);
    for (const message of messages) {
      if (message.kind !== 'data') continue;
      expect(message.eof).toBe(false);
      expect(message.data.length).toBeLessThanOrEqual(MAX_FRAME_BYTES);
    }
    const report = reportOf(messages);
    expect(report).toMatchObject({ success: true, errorCode: 0, errorText: '', errorUser: false, image: 'echo' });
    expect(report.callId).toBe('01D1ZVPBKV180G40RZJ0000007');
    expect(report.executionNs).toBeGreaterThan(0);
    expect(report.containerCreateNs).toBeGreaterThan(0);
    for (const at of [report.createdAt, report.startedAt, report.completedAt]) expect(at).toBeGreaterThan(1.7e12);
  });

  it('protocol 32: an empty response has a head', async () => {
    await started({ functions: { echo } });
    expect((await runner.run({ image: 'echo' })).kinds).toEqual(['resultStart', 'finished']);
  });

  it('protocol 33, 43: all values of a header, without the hop-by-hop ones', async () => {
    await started({ functions: { echo } });
    const [head] = (await runner.run({ image: 'echo' })).messages;
    const headers = head?.kind === 'resultStart' ? head.headers : [];
    expect(headers.filter(([name]) => name === 'X-Test')).toEqual([
      ['X-Test', '1'],
      ['X-Test', '2'],
    ]);
    expect(headers.map(([name]) => name)).not.toContain('Keep-Alive');
    expect(headers.map(([name]) => name)).not.toContain('Connection');
  });

  it.each`
    title                 | image     | code   | text
    ${'protocol 34: 502'} | ${'s502'} | ${502} | ${'function failed'}
    ${'protocol 35: 504'} | ${'s504'} | ${504} | ${'Timed out'}
    ${'protocol 36: 418'} | ${'s418'} | ${502} | ${'invalid function response'}
  `('$title of the function', async ({ image, code, text }) => {
    await started({ functions: { s502: status(502), s504: status(504), s418: status(418) } });
    const { kinds, messages } = await runner.run({ image });
    expect(kinds).toEqual(['finished']);
    expect(reportOf(messages)).toMatchObject({ success: false, errorCode: code, errorText: text, errorUser: true });
  });

  it('protocol 35: a function that runs past its timeout', async () => {
    const held = new Held();
    await started({ functions: { held: fn(held.handler) } });
    const { messages } = await runner.run({ image: 'held', timeoutSeconds: 1 });
    expect(reportOf(messages)).toMatchObject({ errorCode: 504, errorText: 'Timed out', errorUser: true });
  });

  it('protocol 37: a function that responds before it has the whole request', async () => {
    await started({ functions: { early: fn((_, response) => response.end('early')) } });
    const engagement = runner.balancer.engage();
    engagement.send(tryOf({ image: 'early' }));
    engagement.send(frame('some, but not all'));
    await engagement.message(0);
    expect(engagement.received.map(({ kind }) => kind)).toEqual(['finished']);
    expect(reportOf(engagement.received)).toMatchObject({
      errorCode: 502,
      errorText: 'function invoked write before receiving entire request',
      errorUser: true,
    });
    expect((await engagement.status).code).toBe(0);
  });

  it('protocol 39: a response over the limit', async () => {
    await started({
      functions: {
        big: fn((request, response) => request.resume().once('end', () => response.end(Buffer.alloc(50_000)))),
      },
      env: { FN_MAX_RESPONSE_SIZE: '20000' },
    });
    const { messages } = await runner.run({ image: 'big' });
    expect(answerOf(messages).length).toBeLessThanOrEqual(20_000);
    expect(reportOf(messages)).toMatchObject({ errorCode: 502, errorText: 'function response body too large' });
  });
});

describe('a body', () => {
  it('that turns out to be empty after the call has begun is complete', async () => {
    const answers = fn((request, response) => request.resume().once('end', () => response.end('here')));
    await started({ functions: { answers } });
    // The second call finds a hot container and a connection to it.
    for (let calls = 0; calls < 3; calls += 1) {
      const engagement = runner.balancer.engage();
      engagement.send(tryOf({ image: 'answers' }));
      await new Promise((resolve) => setImmediate(resolve));
      engagement.send(frame('', true));
      await engagement.status;
      expect(reportOf(engagement.received)).toMatchObject({ success: true, errorText: '' });
    }
  });
});

describe('a call that cannot be run', () => {
  it.each([
    ['protocol 24: malformed JSON', '{"id":', 0, /JSON/],
    ['a field of the wrong type', '{"memory":"much"}', 0, /memory: expected a whole number/],
    ['protocol 25: cpus as a number', '{"image":"echo","cpus":100}', 400, /^Invalid JSON$/],
    ['cpus out of range', '{"image":"echo","cpus":"2000000m"}', 400, /^Cpus is invalid/],
    ['protocol 28: the status image', '{"image":"status-checker"}', 400, /^Invalid Fn image$/],
  ])('%s is answered with one `finished`, and the stream ends with OK', async (_, callJson, code, text) => {
    await started({ functions: { echo }, statusImage: 'status-checker' });
    const engagement = runner.balancer.engage();
    engagement.send({ kind: 'try', callJson, slotHash: '', extensions: {} });
    expect((await engagement.status).code).toBe(0);
    const report = reportOf(engagement.received);
    expect(report).toMatchObject({ success: false, errorCode: code, errorText: expect.stringMatching(text) });
    // The call is to blame, not the runner.
    expect(report.errorUser).toBe(true);
    expect(report.startedAt).toBeUndefined();
    expect(engagement.received).toHaveLength(1);
  });

  it('protocol 26: a slot hash that is not hexadecimal', async () => {
    await started({ functions: { echo } });
    const engagement = runner.balancer.engage();
    engagement.send(tryOf({ image: 'echo' }, 'zz'));
    expect((await engagement.status).code).toBe(0);
    expect(reportOf(engagement.received)).toMatchObject({ success: false, errorCode: 0 });
  });

  it('protocol 27: more memory than the machine has', async () => {
    await started({ functions: { echo }, memoryMb: 512 });
    const report = reportOf((await runner.run({ image: 'echo', memoryMb: 4096 })).messages);
    expect(report).toMatchObject({
      errorCode: 400,
      errorText: 'Requested CPU/Memory cannot be allocated',
      errorUser: true,
    });
    expect(report.callId).toBe('');
  });

  it('protocol 29: dates use the clock of the runner, not that of the balancer', async () => {
    await started({ functions: { echo } });
    const report = reportOf((await runner.run({ image: 'echo', createdAt: wallMs(Date.UTC(2001, 1, 1)) })).messages);
    expect(Date.now() - epochMs(report.createdAt ?? wallMs(0))).toBeLessThan(10_000);
  });

  it('a container that exits before it listens', async () => {
    await started({ functions: { broken: exitsAtStart(1) } });
    const { kinds, messages } = await runner.run({ image: 'broken' });
    expect(kinds).toEqual(['finished']);
    expect(reportOf(messages)).toMatchObject({ errorCode: 502, errorUser: true, success: false });
    expect(reportOf(messages).errorText).toMatch(/^Container failed to initialize/);
  });

  it('protocol 76, agent-and-docker 85: a detached call when they are not enabled', async () => {
    await started({ functions: { echo } });
    const report = reportOf((await runner.run({ image: 'echo', type: 'detached' })).messages);
    expect(report).toMatchObject({
      errorCode: 501,
      errorText: 'Detach call functions are not supported on this server',
      errorUser: true,
    });
    expect(report.callId).not.toBe('');
  });

  it('protocol 77: a detached call is acknowledged when it starts and its output is dropped', async () => {
    const held = new Held();
    await started({ functions: { held: fn(held.handler) }, detached: true });
    const engagement = runner.offer({ image: 'held', type: 'detached' });
    expect(await engagement.message(0)).toEqual({ kind: 'resultStart', status: 202, headers: [] });
    await held.untilCalled(1);
    held.release();
    expect((await engagement.status).code).toBe(0);
    expect(engagement.received.map(({ kind }) => kind)).toEqual(['resultStart', 'finished']);
    expect(reportOf(engagement.received).success).toBe(true);
  });
});

describe('a message that is too large or unreadable', () => {
  const oversize = Buffer.alloc(5 * MIB);
  /** A field of the type "data" whose length is cut off. */
  const unreadable = Buffer.from([0x12, 0xff]);

  afterEach(async () => {
    expect((await runner.run({ image: 'echo' }, 'still here')).kinds).toEqual(['resultStart', 'data', 'finished']);
  });

  it('a call of five megabytes gets an error that blames the caller, and the connection survives', async () => {
    await started({ functions: { echo } });
    const engagement = runner.balancer.engage();
    engagement.send(tryOf({ image: 'echo', config: { A: 'x'.repeat(5 * MIB) } }));
    engagement.send(frame('', true));
    expect((await engagement.status).code).toBe(0);
    expect(reportOf(engagement.received)).toMatchObject({ success: false, errorCode: 400, errorUser: true });
    expect(reportOf(engagement.received).errorText).toMatch(/^The call without its body is too large for a runner/);
  });

  it.each`
    what            | bytes         | code
    ${'oversize'}   | ${oversize}   | ${8}
    ${'unreadable'} | ${unreadable} | ${13}
  `('an $what frame after `try` ends the stream with $code and cancels the call', async ({ bytes, code }) => {
    const held = new Held();
    await started({ functions: { held: fn(held.handler), echo } });
    const engagement = runner.balancer.engage();
    engagement.send(tryOf({ image: 'held' }));
    engagement.send(frame('half of the body'));
    await held.untilCalled(1);
    engagement.sendBytes(bytes);
    expect((await engagement.status).code).toBe(code);
    while (held.aborted === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await activeIs(0);
    expect(engagement.received).toEqual([]);
  });

  it('a response whose headers exceed the message limit of a balancer blames the function', async () => {
    // Node's server would not send them at once.
    const headers = Array.from({ length: 80 }, (_, i) => `X-${i}: ${'v'.repeat(60 * 1024)}\r\n`).join('');
    const heavy = fn((request) => {
      request
        .resume()
        .once('end', () => request.socket.write(`HTTP/1.1 200 OK\r\n${headers}Content-Length: 0\r\n\r\n`));
    });
    await started({ functions: { heavy, echo } });
    const { kinds, messages } = await runner.run({ image: 'heavy' });
    expect(kinds).toEqual(['finished']);
    expect(reportOf(messages)).toMatchObject({
      errorCode: 502,
      errorText: 'function response header too large',
      errorUser: true,
    });
  });

  it('an error with a text of megabytes is truncated to fit into a message', async () => {
    await started({ functions: { echo } });
    const image = `no-such-image-${'x'.repeat(3 * MIB)}`;
    const report = reportOf((await runner.run({ image })).messages);
    expect(report).toMatchObject({ errorCode: 404, errorUser: true });
    expect(report.errorText.length).toBe(8192);
    expect(report.image.length).toBe(8192);
  });
});

describe('capacity and shutdown', () => {
  const FULL = { memoryMb: 256, env: { FN_ENABLE_NB_RESOURCE_TRACKER: '1' } };

  it('protocol 41, 44: a full runner refuses at once', async () => {
    const held = new Held();
    await started({ functions: { held: fn(held.handler), echo }, ...FULL });
    const running = runner.offer({ image: 'held', memoryMb: 256 });
    await held.untilCalled(1);
    const { kinds, messages } = await runner.run({ image: 'echo', fnId: 'other', memoryMb: 256 });
    expect(kinds).toEqual(['finished']);
    expect(reportOf(messages)).toMatchObject({
      success: false,
      errorCode: 503,
      errorText: 'Timed out - server too busy',
      errorUser: false,
      startedAt: undefined,
      completedAt: undefined,
      schedulerNs: 0,
      executionNs: 0,
    });
    held.release();
    await running.status;
  });

  it('protocol 45, 46: a blocking runner lets a call wait, and its deadline ends the wait', async () => {
    const held = new Held();
    await started({ functions: { held: fn(held.handler), echo }, memoryMb: 256 });
    const running = runner.offer({ image: 'held', memoryMb: 256 });
    await held.untilCalled(1);
    const brief = runner.balancer.engage({ deadlineMs: 200 });
    brief.send(tryOf({ image: 'echo', fnId: 'brief', memoryMb: 256 }));
    brief.send(frame('', true));
    const waiting = runner.offer({ image: 'echo', fnId: 'waiting', memoryMb: 256 });
    expect((await brief.status).code).not.toBe(0);
    expect(waiting.received).toEqual([]);
    held.release();
    expect((await waiting.status).code).toBe(0);
    expect(reportOf(waiting.received).success).toBe(true);
    expect(runner.driver.counters.created).toBe(2); // none for the call whose deadline passed
    await running.status;
  });

  it('protocol 47: draining refuses new calls in the protocol, finishes running ones, then closes the port', async () => {
    const held = new Held();
    await started({ functions: { held: fn(held.handler), echo } });
    const running = runner.offer({ image: 'held' });
    await held.untilCalled(1);
    let drained = false;
    const draining = runner.runner.drain({ graceMs: 10_000 }).then((result) => {
      drained = true;
      return result;
    });
    const refused = reportOf((await runner.run({ image: 'echo', fnId: 'late' })).messages);
    expect(refused).toMatchObject({ errorCode: 503 });
    expect(drained).toBe(false);
    held.release();
    expect((await running.status).code).toBe(0);
    expect(reportOf(running.received).success).toBe(true);
    expect(await draining).toBe('drained');
    const { port } = runner.runner.address;
    const socket = (await import('node:net')).connect(port, '127.0.0.1');
    await expect(once(socket, 'connect')).rejects.toThrow('ECONNREFUSED');
  });

  it('a call that outlasts the grace is cancelled', async () => {
    const held = new Held();
    await started({ functions: { held: fn(held.handler) } });
    const running = runner.offer({ image: 'held' });
    await held.untilCalled(1);
    expect(await runner.runner.drain({ graceMs: 50 })).toBe('expired');
    await running.status;
    expect(running.received.some((message) => message.kind === 'finished' && message.report.success)).toBe(false);
  });

  it('protocol 48: a reset while queued ends the wait and nothing starts', async () => {
    const held = new Held();
    await started({ functions: { held: fn(held.handler), echo }, memoryMb: 256 });
    const running = runner.offer({ image: 'held', memoryMb: 256 });
    await held.untilCalled(1);
    const queued = runner.offer({ image: 'echo', fnId: 'queued', memoryMb: 256 });
    await activeIs(2);
    queued.cancel();
    await activeIs(1);
    held.release();
    await running.status;
    expect(runner.driver.counters.created).toBe(1);
  });

  it('protocol 49: a reset while executing aborts the function', async () => {
    const held = new Held();
    await started({ functions: { held: fn(held.handler) } });
    const engagement = runner.offer({ image: 'held' });
    await held.untilCalled(1);
    engagement.cancel();
    await activeIs(0);
    while (held.aborted === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  it('protocol 8: 300 engagements on one connection are all served at once', async () => {
    const held = new Held();
    await started({ functions: { held: fn(held.handler) }, memoryMb: 8192 });
    const engagements = Array.from({ length: 300 }, () => runner.offer({ image: 'held', memoryMb: 1 }));
    await activeIs(300);
    await held.untilCalled(300);
    held.release();
    for (const engagement of engagements) expect((await engagement.status).code).toBe(0);
  });
});

describe('connections and containers', () => {
  it('protocol 2: two balancers may hold connections at the same time', async () => {
    await started({ functions: { echo } });
    const [a, b] = await Promise.all([runner.run({ image: 'echo' }, 'a'), runner.run({ image: 'echo' }, 'b')]);
    expect(answerOf(a.messages).toString() + answerOf(b.messages).toString()).toBe('ab');
  });

  it('a slot hash from the balancer selects the container', async () => {
    await started({ functions: { echo } });
    const hash = 'ab'.repeat(32);
    for (const fnId of ['one', 'two']) {
      const engagement = runner.balancer.engage();
      engagement.send({
        kind: 'try',
        callJson: encodeCall(aCall({ image: 'echo', fnId })),
        slotHash: hash,
        extensions: {},
      });
      engagement.send(frame('', true));
      await engagement.status;
    }
    expect(runner.driver.counters.created).toBe(1);
  });
});

function activeIs(wanted: number): Promise<void> {
  return eventually(async () => expect(await runner.balancer.unary('Status')).toMatchObject({ active: wanted }));
}
