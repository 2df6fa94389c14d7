import type { IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { count, FakeClock, later, RecordedMetrics } from '@fnfleet/core';
import { fn, rawFn, type ScriptedFunction } from '@fnfleet/drivers';
import { withBeforeStart, withDeadline } from '../call/call-options.js';
import { StreamBody } from '../test-kit/caller-ends.js';
import { echo, NOTHING_LEFT, outcomeOf, TestAgent } from '../test-kit/test-agent.js';

const metrics = RecordedMetrics.install();
count('calls', 0);

let test: TestAgent;

beforeEach(() => metrics.reset());
afterEach(async () => {
  expect(await test.leftovers(metrics)).toEqual(NOTHING_LEFT);
});

describe('the request', () => {
  let seen: { req: IncomingMessage; body: string }[];
  let witness: ScriptedFunction;

  beforeEach(() => {
    seen = [];
    witness = fn(async (req, res) => {
      const body = (await buffer(req)).toString();
      seen.push({ req, body });
      res.end();
    });
  });

  it('agent-and-docker 7, 69: is POST /call with id and deadline, whatever the client sent', async () => {
    const clock = new FakeClock(Date.UTC(2026, 0, 1, 10, 0, 0, 700));
    test = new TestAgent({ witness }, { clock });
    const headers = { Host: ['evil'], 'Fn-Call-Id': ['forged'], 'Fn-Deadline': ['forged'], 'Content-Length': ['99'] };
    await test.answer({ image: 'witness', id: 'call-9', timeoutSeconds: 30, headers, body: 'x' });
    const [{ req }] = seen as [(typeof seen)[0]];
    expect(req).toMatchObject({ method: 'POST', url: '/call' });
    expect(req.headers).toMatchObject({
      host: 'localhost',
      'fn-call-id': 'call-9',
      'fn-deadline': '2026-01-01T10:00:30Z',
      'content-length': '1',
    });

    const options = [withDeadline(later(clock.now(), 5_000))];
    await test.answer({ image: 'witness', timeoutSeconds: 30, options });
    expect(seen[1]?.req.headers['fn-deadline']).toBe('2026-01-01T10:00:05Z');
  });

  it('agent-and-docker 70: has no hop-by-hop headers of the caller; values keep their order, Authorization stays', async () => {
    test = new TestAgent({ witness });
    const headers = {
      'Keep-Alive': ['timeout=5'],
      Connection: ['close'],
      Te: ['gzip'],
      Upgrade: ['h2c'],
      Trailer: ['X'],
      'Transfer-Encoding': ['gzip'],
      'Proxy-Authorization': ['secret'],
      Expect: ['100-continue'],
      Authorization: ['Bearer t'],
      'X-Many': ['b', 'a', 'b'],
      'X-Name': ['Grüße'],
    };
    await test.answer({ image: 'witness', headers });
    const raw = seen[0]?.req.rawHeaders ?? [];
    const names = raw.filter((_, index) => index % 2 === 0);
    expect(names).toEqual([
      'Host',
      'Authorization',
      'X-Many',
      'X-Many',
      'X-Many',
      'X-Name',
      'Fn-Call-Id',
      'Fn-Deadline',
      'Content-Length',
    ]);
    expect(seen[0]?.req.headers).toMatchObject({ 'x-many': 'b, a, b' });
    expect(Buffer.from(seen[0]?.req.headers['x-name'] as string, 'latin1').toString()).toBe('Grüße');
  });

  it.each([0, 1, 16_384, 16_385, 1_000_000])(
    'a complete body of %d bytes arrives intact, with its length',
    async (size) => {
      test = new TestAgent({ witness });
      const body = 'abcdefghij'.repeat(size / 10 + 1).slice(0, size);
      for (const _ of [1, 2]) await test.answer({ image: 'witness', body });
      expect(seen.map((each) => each.body === body)).toEqual([true, true]);
      expect(seen[1]?.req.headers['content-length']).toBe(`${size}`);
      expect(test.driver.containers[0]?.connections).toBe(1);
    },
  );

  it('a connection whose request has no end yet, although its body counts as read, is not reused', async () => {
    let connections = 0;
    const hasty = rawFn((socket) => {
      connections += 1;
      socket.on('error', () => undefined);
      socket.on('data', (chunk: Buffer) => {
        if (chunk.includes('POST')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      });
    });
    test = new TestAgent({ hasty });
    const body = new StreamBody();
    body.consumed = true;
    await test.answer({ image: 'hasty', body });
    await test.answer({ image: 'hasty', body: 'next' });
    expect([connections, test.driver.counters.created]).toEqual([2, 1]);
  });

  it.each(['takeComplete', 'stream'] as const)(
    'a body that fails when it is asked for (%s) ends its call; the container stays',
    async (step) => {
      test = new TestAgent({ witness });
      const body = new StreamBody();
      Object.assign(body, {
        [step]: () => {
          throw new Error('the caller has left');
        },
      });
      const { done } = await test.invoke({ image: 'witness', body });
      await expect(done).rejects.toThrow('the caller has left');
      expect(body.discarded).toBe(true);
      await test.answer({ image: 'witness' });
      expect(seen).toHaveLength(1);
      expect(test.driver.counters.created).toBe(1);
    },
  );

  it('keeps Te when it is exactly "trailers"', async () => {
    test = new TestAgent({ witness });
    await test.answer({ image: 'witness', headers: { Te: ['trailers'] } });
    expect(seen[0]?.req.headers.te).toBe('trailers');
  });

  it('agent-and-docker 71: a body without a length arrives intact, in chunks, even if it is empty', async () => {
    test = new TestAgent({ witness });
    const body = new StreamBody();
    const call = await test.invoke({ image: 'witness', body });
    body.source.write('one ');
    while ((test.driver.containers[0]?.connections ?? 0) === 0) await turn();
    await turn();
    body.source.end('two');
    await call.done;
    const empty = new StreamBody();
    empty.source.end();
    await test.answer({ image: 'witness', body: empty });
    await test.answer({ image: 'witness', body: '' });
    expect(seen.map((each) => each.body)).toEqual(['one two', '', '']);
    expect(seen[0]?.req.headers).toMatchObject({ 'transfer-encoding': 'chunked' });
    expect(seen[2]?.req.headers).toMatchObject({ 'content-length': '0' });
  });

  it.each`
    what                                                  | settings                          | bytes     | fits
    ${'more than the runner sends'}                       | ${{}}                             | ${20_000} | ${15_000}
    ${'a little more than the runner sends'}              | ${{ maxRequestHeadBytes: 3_000 }} | ${2_900}  | ${2_600}
    ${'more than the HTTP library of the function takes'} | ${{ maxRequestHeadBytes: 0 }}     | ${20_000} | ${15_000}
  `('a call whose headers are $what is 431, and its container serves on', async ({ settings, bytes, fits }) => {
    test = new TestAgent({ witness }, { settings });
    await test.answer({ image: 'witness' });
    let announced = 0;
    const beforeStart = (start: () => void) => {
      announced += 1;
      start();
    };
    const options = settings.maxRequestHeadBytes === 0 ? [] : [withBeforeStart(beforeStart)];
    const { done } = await test.invoke({ image: 'witness', headers: { 'X-Long': ['x'.repeat(bytes)] }, options });
    await expect(done).rejects.toMatchObject({ status: 431, blame: 'caller' });
    await test.answer({ image: 'witness', headers: { 'X-Long': ['x'.repeat(fits)] } });
    expect([seen.length, test.driver.counters.created, announced]).toEqual([2, 1, 0]);
  });

  it('a header that cannot be sent over HTTP is the caller’s fault, and the container stays', async () => {
    test = new TestAgent({ echo });
    const { done } = await test.invoke({ headers: { 'X-Bad': ['a\r\nb'] } });
    await expect(done).rejects.toMatchObject({ status: 400 });
    await test.answer({});
    expect(test.driver.counters.created).toBe(1);
  });

  it('agent-and-docker 79: a stalled body ends with 408, and the next call sees none of it', async () => {
    const clock = new FakeClock();
    test = new TestAgent({ witness }, { clock });
    const body = new StreamBody();
    const slow = await test.invoke({ image: 'witness', body, timeoutSeconds: 2 });
    body.source.write('never finished');
    while ((test.driver.containers[0]?.connections ?? 0) === 0) await turn();
    for (let turns = 0; turns < 20; turns += 1) await turn();
    await clock.advance(10_000);
    expect(await outcomeOf(slow.done)).toBe('requestTimeout');
    expect(body.discarded).toBe(true);
    await test.answer({ image: 'witness', body: 'fresh' });
    expect(seen.map((each) => each.body)).toEqual(['fresh']);
  });

  it('protocol 38: a function that closes its connection during the request', async () => {
    const closes: ScriptedFunction = rawFn((socket) => socket.once('data', () => socket.destroy()));
    test = new TestAgent({ closes });
    const body = new StreamBody();
    const call = await test.invoke({ image: 'closes', body });
    body.source.write('half');
    await expect(call.done).rejects.toMatchObject({
      status: 502,
      message: 'function closed pipe while receiving request',
    });
    expect(body.discarded).toBe(true);
  });

  it('an aborted upload ends the call with its error', async () => {
    test = new TestAgent({ witness });
    const body = new StreamBody();
    const call = await test.invoke({ image: 'witness', body });
    body.source.write('half');
    while ((test.driver.containers[0]?.connections ?? 0) === 0) await turn();
    body.source.destroy(new Error('client is gone'));
    await expect(call.done).rejects.toThrow('client is gone');
  });
});

/** One turn of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
