import { fn, rawFn } from '@fnfleet/drivers';
import { withSignal } from './call/call-options.js';
import { StreamBody } from './test-kit/caller-ends.js';
import { NOTHING_LEFT, outcomeOf, TestAgent } from './test-kit/test-agent.js';

let test: TestAgent;
afterEach(async () => {
  expect(await test.leftovers()).toEqual(NOTHING_LEFT);
});

/** Answers after the given time in milliseconds; `called` runs when the request is complete. */
function slow(ms: number, called: () => void) {
  return fn((request, response) => {
    request.resume().once('end', called);
    setTimeout(() => response.end('late'), ms).unref();
  });
}

it.each`
  title                                                        | ms       | created
  ${'E5: a function that finishes soon keeps its container'}   | ${20}    | ${1}
  ${'E5: a function that does not finish loses its container'} | ${5_000} | ${2}
`('$title', async ({ ms, created }) => {
  const caller = new AbortController();
  let calls = 0;
  test = new TestAgent({
    slow: slow(ms, () => {
      calls += 1;
      if (calls === 1) caller.abort();
    }),
    quick: fn((request, response) => request.resume().once('end', () => response.end('ok'))),
  });
  const left = await test.invoke({ image: 'slow', options: [withSignal(caller.signal)] });
  expect(await outcomeOf(left.done)).toBe('CancelledError');
  if (ms < 100) expect((await test.answer({ image: 'slow' })).body.toString()).toBe('late');
  else await test.answer({ image: 'quick' });
  expect(test.driver.counters.created).toBe(created);
});

it('a caller that disconnects during the upload loses the container, so no other call gets the rest', async () => {
  const caller = new AbortController();
  const bodies: string[] = [];
  let arrived: () => void = () => undefined;
  const half = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  test = new TestAgent({
    echo: fn((request, response) => {
      request.on('data', (chunk: Buffer) => {
        bodies.push(chunk.toString());
        arrived();
      });
      request.once('end', () => response.end('ok'));
    }),
  });
  const body = new StreamBody();
  const left = await test.invoke({ body, options: [withSignal(caller.signal)] });
  body.source.write('half');
  await half;
  caller.abort();
  expect(await outcomeOf(left.done)).toBe('CancelledError');
  await test.answer({ body: 'whole' });
  expect(bodies).toEqual(['half', 'whole']);
  expect([body.discarded, test.driver.counters.created]).toEqual([true, 2]);
});

it('E5: a function that closes its connection after its caller disconnected loses its container', async () => {
  const caller = new AbortController();
  let calls = 0;
  test = new TestAgent({
    moody: rawFn((socket) => {
      socket.once('data', () => {
        calls += 1;
        if (calls > 1) return void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
        caller.abort();
        setImmediate(() => socket.destroy());
      });
    }),
  });
  const left = await test.invoke({ image: 'moody', options: [withSignal(caller.signal)] });
  expect(await outcomeOf(left.done)).toBe('CancelledError');
  await test.answer({ image: 'moody' });
  expect([calls, test.driver.counters.created]).toEqual([2, 2]);
});

it('E5: a container keeps serving when the caller disconnects just before the connection attempt', async () => {
  let calls = 0;
  test = new TestAgent({
    echo: fn((_request, response) => {
      calls += 1;
      response.end('ok');
    }),
  });
  const caller = new AbortController();
  test.agent.addCallListener({ beforeCall: () => caller.abort() });
  const left = await test.invoke({ options: [withSignal(caller.signal)] });
  expect([await outcomeOf(left.done), calls]).toEqual(['CancelledError', 0]);
  await test.answer({});
  expect([calls, test.driver.counters.created]).toEqual([1, 1]);
});

it('E5: a call whose caller disconnects during the connection attempt is not sent, and the container keeps serving', async () => {
  const caller = new AbortController();
  const bodies: string[] = [];
  test = new TestAgent({
    echo: fn((request, response) => {
      request.on('data', (chunk: Buffer) => bodies.push(chunk.toString())).once('end', () => response.end('ok'));
    }),
  });
  // After the promises that lead from here to the dial, before the socket answers it.
  test.agent.addCallListener({ beforeCall: () => process.nextTick(() => caller.abort()) });
  const left = await test.invoke({ body: 'first', options: [withSignal(caller.signal)] });
  expect(await outcomeOf(left.done)).toBe('CancelledError');
  // No unused connection is left open.
  for (let turns = 0; turns < 20; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  expect(test.driver.containers[0]?.connections).toBe(0);
  await test.answer({ body: 'second' });
  expect(bodies).toEqual(['second']);
  expect(test.driver.counters.created).toBe(1);
});
