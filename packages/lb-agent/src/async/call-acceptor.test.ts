import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { FakeClock, IdGenerator, NO_TRACE } from '@fnfleet/core';
import type { PushAnswer } from '@fnfleet/queue';
import { CallAcceptor } from './call-acceptor.js';

const KIB = 1024;
let clock: FakeClock;
let acceptor: CallAcceptor;
let pushed: string[];

beforeEach(() => {
  clock = new FakeClock();
  pushed = [];
  acceptor = acceptorOf(100 * KIB);
});

function acceptorOf(maxBodyBytes: number): CallAcceptor {
  return new CallAcceptor({
    queue: {
      enqueue: async ({ callId, body }): Promise<PushAnswer> => {
        pushed.push(`${callId} ${body.length}`);
        return { callId, duplicate: false };
      },
    },
    maxBodyBytes,
    // The heads of two calls, and one large body.
    maxHeldBytes: 250 * KIB,
    ids: new IdGenerator(),
    clock,
  });
}

/** A call whose body is what the test writes to the stream. */
function begin(callId: string, announced = 0) {
  const body = new PassThrough({ highWaterMark: 1024 * KIB });
  const headers = announced > 0 ? { 'content-length': `${announced}` } : { 'transfer-encoding': 'chunked' };
  const req = Object.assign(body, { headers, rawHeaders: [], socket: {}, method: 'POST', url: '/invoke/f' });
  const ended = acceptor
    .accept(callId, { fnId: 'f', triggerId: '', trace: NO_TRACE }, req as unknown as IncomingMessage, undefined)
    .then(
      () => 'accepted',
      (error: { code?: string }) => error.code ?? String(error),
    );
  return { body, ended };
}

const aTurn = () => new Promise((resolve) => setImmediate(resolve));

describe('callers that announce a large body, and send a byte now and then', () => {
  it('take no room from others for what they have not sent', async () => {
    const slow = [begin('slow-1', 100 * KIB), begin('slow-2', 100 * KIB)];
    for (const { body } of slow) body.write('x');
    const { body, ended } = begin('quick', 3);
    body.end('cat');
    expect(await ended).toBe('accepted');
    for (const each of slow) each.body.destroy();
    for (const each of slow) expect(await each.ended).not.toBe('queueOverloaded');
  });

  it('are refused when others need the room, and only then', async () => {
    const slow = begin('slow');
    slow.body.write(Buffer.alloc(99 * KIB));
    await aTurn();
    const quick = begin('quick');
    quick.body.write(Buffer.alloc(10 * KIB));
    await aTurn();
    // Neither is slow yet, so the one that comes too late is refused.
    expect(await begin('late').ended).toBe('queueOverloaded');
    await clock.advance(6_000);
    const next = begin('next');
    next.body.end('cat');
    expect(await next.ended).toBe('accepted');
    expect(await slow.ended).toBe('queueOverloaded');
    quick.body.end('cat');
    expect(await quick.ended).toBe('accepted');
    expect(pushed).toEqual(['next 3', `quick ${10 * KIB + 3}`]);

    // What a refused one goes on to send takes no room.
    slow.body.write(Buffer.alloc(200 * KIB));
    await aTurn();
    const after = begin('after');
    after.body.end(Buffer.alloc(100 * KIB));
    expect(await after.ended).toBe('accepted');
  });
});

it('refuses a call in the middle of its body when there is no room for the rest', async () => {
  const first = begin('first');
  first.body.write(Buffer.alloc(90 * KIB));
  await aTurn();
  const second = begin('second');
  second.body.write(Buffer.alloc(90 * KIB));
  expect(await second.ended).toBe('queueOverloaded');
  first.body.end();
  expect(await first.ended).toBe('accepted');
  const third = begin('third');
  third.body.end(Buffer.alloc(90 * KIB));
  expect(await third.ended).toBe('accepted');
});

it('a balancer whose operator wants calls without bodies reads none', async () => {
  acceptor = acceptorOf(0);
  const large = begin('large');
  large.body.write(Buffer.alloc(100 * KIB));
  expect(await large.ended).toBe('requestTooBig');
  const empty = begin('empty');
  empty.body.end();
  expect(await empty.ended).toBe('accepted');
});
