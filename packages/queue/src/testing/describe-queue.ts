import { setTimeout as sleep } from 'node:timers/promises';
import { epochMs, type FakeClock, later } from '@fnfleet/core';
import type { QueueBounds } from '../bounds.js';
import type { Delivery, Lane, Lease, MessageQueue, NewMessage, ReserveRequest } from '../message-queue.js';
import type { Failure, RetryPolicy } from '../retry-policy.js';
import type { QueueSetup } from './queue-setup.js';

const LEASE_MS = 30_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const SUCCESS = { head: '{"status":200}', body: Buffer.from('answer') };
const CRASHED: Failure = { kind: 'function', code: 'functionFailed', message: 'exit code 1' };
const LOST: Failure = { kind: 'platform', code: 'serverBusy', message: 'the runner was lost' };
const POLICY: RetryPolicy = { attempts: 2, backoffMs: 1_000, maxBackoffMs: 10_000, retryOn: ['function', 'timeout'] };

/** What every implementation of MessageQueue must do. */
export function describeQueue(name: string, newSetup: () => QueueSetup): void {
  describe(`a queue (${name})`, () => {
    let setup: QueueSetup;
    let clock: FakeClock;
    let queue: MessageQueue;
    let pushed: number;

    beforeEach(async () => {
      setup = newSetup();
      ({ clock } = setup);
      pushed = 0;
      queue = await setup.open();
    });
    afterEach(async () => {
      await queue.close();
      await setup.remove();
      expect(clock.pendingTimers).toBe(0);
    });

    const newId = () => {
      pushed += 1;
      return `c${String(pushed).padStart(5, '0')}`;
    };
    const push = async (message: Partial<NewMessage> = {}) => {
      const full = { callId: newId(), fnId: 'f', head: '{}', body: Buffer.from('body'), policy: POLICY, ...message };
      await queue.push(full);
      return full.callId;
    };
    const reserve = (request: Partial<ReserveRequest> = {}) =>
      queue.reserve({ holder: 'lb-1', limit: 1, leaseMs: LEASE_MS, ...request });
    const one = async (): Promise<Delivery> => {
      const [delivery] = await reserve();
      if (delivery === undefined) throw new Error('nothing is ready');
      return delivery;
    };
    const bury = ({ lease }: Delivery) => queue.bury(lease, { code: 'x', message: '' });
    const ids = (deliveries: readonly Delivery[]) => deliveries.map(({ lease }) => lease.callId);
    const advance = async (ms: number) => {
      await clock.advance(ms);
      // What was due by then has been done when this is answered.
      await queue.stats();
    };
    /** A store that works in real time looks for what it may forget at the time at which a step begins, or with the next one. */
    const passFourMinutes = async () => {
      for (let i = 0; i < 4; i += 1) await advance(60_000);
    };
    const state = async (callId: string) => (await queue.get(callId))?.state;
    const reopen = async (bounds?: Partial<QueueBounds>) => {
      await queue.close();
      queue = await setup.open(bounds);
    };

    describe('accepting calls', () => {
      it('delivers what was pushed, once', async () => {
        const body = Buffer.from([0, 255, 10]);
        const callId = await push({ fnId: 'other', head: '{"a":1}', body, priority: 2 });
        await advance(1_500);
        const [delivery, ...more] = await reserve({ limit: 10 });
        expect(more).toEqual([]);
        expect(delivery).toMatchObject({ fnId: 'other', head: '{"a":1}', attempt: 1, priority: 2, ageMs: 1_500 });
        expect(delivery?.lease.callId).toBe(callId);
        expect(Buffer.from(delivery?.body ?? [])).toEqual(body);
        expect(await reserve()).toEqual([]);
      });

      it('accepts a repeated push without a second call', async () => {
        const callId = await push();
        await push({ callId });
        await queue.complete((await one()).lease, SUCCESS);
        await push({ callId });
        expect(await reserve()).toEqual([]);
      });

      it('answers an idempotency key with the call that had it, per function, for a day', async () => {
        const message = { fnId: 'f', head: '', body: Buffer.alloc(0), idempotencyKey: 'order-1' };
        expect(await queue.push({ ...message, callId: 'a' })).toEqual({ callId: 'a', duplicate: false });
        expect(await queue.push({ ...message, callId: 'b' })).toEqual({ callId: 'a', duplicate: true });
        expect(await queue.push({ ...message, callId: 'c', fnId: 'g' })).toEqual({ callId: 'c', duplicate: false });
        await queue.complete((await one()).lease, SUCCESS);
        await reopen();
        await advance(DAY_MS - 1);
        expect(await queue.push({ ...message, callId: 'd' })).toEqual({ callId: 'a', duplicate: true });
        await advance(1);
        expect(await queue.push({ ...message, callId: 'e' })).toEqual({ callId: 'e', duplicate: false });
      });

      it('copies the body: its buffer may be used again', async () => {
        const body = Buffer.from('first');
        const accepted = push({ body });
        body.write('other');
        await accepted;
        expect(Buffer.from((await one()).body).toString()).toBe('first');
      });

      it.each`
        what                             | bounds                 | message                                | code
        ${'a body over the limit'}       | ${{ maxBodyBytes: 8 }} | ${{ body: Buffer.alloc(9) }}           | ${'queueMessageTooBig'}
        ${'headers over the limit'}      | ${{ maxHeadBytes: 8 }} | ${{ head: '123456789' }}               | ${'queueMessageTooBig'}
        ${'a long idempotency key'}      | ${{}}                  | ${{ idempotencyKey: 'x'.repeat(257) }} | ${'queueMessageTooBig'}
        ${'a call too many'}             | ${{ maxMessages: 2 }}  | ${{}}                                  | ${'queueFull'}
        ${'an idempotency key too many'} | ${{ maxKeys: 0 }}      | ${{ idempotencyKey: 'x' }}             | ${'queueFull'}
        ${'more bytes than it may have'} | ${{ maxBytes: 1 }}     | ${{}}                                  | ${'queueFull'}
      `('refuses $what, and works on', async ({ bounds, message, code }) => {
        await push();
        await push();
        await reopen(bounds);
        await expect(push(message)).rejects.toMatchObject({ code });
        const deliveries = await reserve({ limit: 10 });
        expect(deliveries).toHaveLength(2);
        for (const { lease } of deliveries) expect(await queue.complete(lease, SUCCESS)).toEqual({ kind: 'completed' });
        expect((await queue.stats()).running).toBe(0);
      });
    });

    describe.each`
      what                     | text
      ${'a character of zero'} | ${'a\0b'}
      ${'half of a character'} | ${'a\ud800b'}
    `('$what', ({ text }) => {
      it('is in no id of a call: nothing is found, and others that are asked at the same time are answered', async () => {
        await push();
        const delivery = await one();
        const lease = { callId: text, token: text };
        const lost = { kind: 'leaseLost', because: 'unknown' };
        const asked = [
          ...[queue.extend(lease, LEASE_MS), queue.complete(lease, SUCCESS), queue.retry(lease, CRASHED)],
          ...[queue.giveBack(lease), queue.bury(lease, { code: 'x', message: text }), queue.cancel(text)],
          queue.complete(delivery.lease, SUCCESS),
        ];
        expect(await Promise.all(asked)).toEqual([...Array(5).fill(lost), { kind: 'notFound' }, { kind: 'completed' }]);
        expect([await queue.redrive({ callId: text }), await queue.purge({ callId: text })]).toEqual([0, 0]);
      });

      it.each(['callId', 'fnId', 'idempotencyKey'])(
        'is refused as a part of %s, which nobody could look up',
        async (name) => {
          const refused = { code: 'databaseTextInvalid', status: 400 };
          await expect(push({ [name]: text })).rejects.toMatchObject(refused);
          const callId = await push();
          expect(ids(await reserve({ limit: 10 }))).toEqual([callId]);
        },
      );
    });

    describe('a function that fills the queue', () => {
      const filled = async (fnId: string, body: Buffer) => {
        for (let n = 0; n < 1_000; n += 1) {
          const refusal = await push({ fnId, body }).then(
            () => undefined,
            (error: unknown) => error,
          );
          if (refusal !== undefined) return { accepted: n, refusal };
        }
        throw new Error('it is never full');
      };

      it.each`
        of         | bounds                             | size
        ${'calls'} | ${{ maxMessages: 50 }}             | ${10}
        ${'bytes'} | ${{ maxBytes: 4 * 1_024 * 1_024 }} | ${64 * 1_024}
      `('leaves $of for others, also when its calls are dead letters', async ({ bounds, size }) => {
        await reopen(bounds);
        const { accepted, refusal } = await filled('busy', Buffer.alloc(size));
        expect(refusal).toMatchObject({
          code: 'queueShareFull',
          message: expect.stringContaining('keeps room for others'),
        });
        await push({ fnId: 'quiet', body: Buffer.alloc(size) });
        await expect(push({ fnId: 'busy' })).rejects.toMatchObject({ code: 'queueShareFull' });
        const deliveries = await reserve({ limit: accepted });
        for (const { lease } of deliveries) await queue.bury(lease, { code: 'functionFailed', message: '' });
        await expect(push({ fnId: 'busy' })).rejects.toMatchObject({ code: 'queueShareFull' });
        await push({ fnId: 'quiet', body: Buffer.alloc(size) });
      });

      it('leaves idempotency keys for others, also after a restart, and gets them back after a day', async () => {
        await reopen({ maxKeys: 18 });
        const withKey = (fnId: string, idempotencyKey: string) => push({ fnId, idempotencyKey });
        for (let n = 0; n < 16; n += 1) await withKey('busy', `${n}`);
        await advance(1);
        await withKey('busy', 'the last');
        await reopen();
        const refused = { code: 'queueShareFull', message: expect.stringContaining('keeps room for others') };
        await expect(withKey('busy', 'one too many')).rejects.toMatchObject(refused);
        await push({ fnId: 'busy' });
        await withKey('busy', 'the last');
        await withKey('quiet', 'its first');
        const all = { code: 'queueFull', message: expect.stringContaining('18 idempotency keys') };
        await expect(withKey('another', 'its first')).rejects.toMatchObject(all);

        await advance(DAY_MS);
        await passFourMinutes();
        for (let n = 0; n < 16; n += 1) await withKey('busy', `${n}`);
        await withKey('another', 'its first');
        await expect(withKey('busy', 'one too many')).rejects.toMatchObject(refused);
        await withKey('quiet', 'its first');
      });
    });

    describe('the order', () => {
      it('is by priority, then first in, first out', async () => {
        const order: string[] = [];
        for (const priority of [0, 1, 2, 0, 1, 2] as const) order.push(await push({ priority }));
        expect(ids(await reserve({ limit: 10 }))).toEqual([2, 5, 1, 4, 0, 3].map((at) => order[at]));
      });

      it('takes functions in turn: one with a backlog does not delay another', async () => {
        for (let n = 0; n < 20; n += 1) await push({ fnId: 'busy' });
        await push({ fnId: 'b' });
        await push({ fnId: 'b' });
        await push({ fnId: 'c' });
        const fns = (await reserve({ limit: 6 })).map(({ fnId }) => fnId);
        expect(fns).toEqual(['busy', 'b', 'c', 'busy', 'b', 'busy']);
      });

      it('takes apps in turn: one with many functions does not delay the only one of another, also after a restart', async () => {
        for (let n = 0; n < 40; n += 1) await push({ fnId: `many-${n % 20}`, app: 'many' });
        for (let n = 0; n < 8; n += 1) await push({ fnId: 'only', app: 'quiet' });
        await push({ fnId: 'unknown' });
        const fns = async (limit: number) => (await reserve({ limit })).map(({ fnId }) => fnId);
        expect(await fns(7)).toEqual(['many-0', 'only', 'unknown', 'many-1', 'only', 'many-2', 'only']);
        await reopen();
        expect((await fns(6)).filter((fnId) => fnId === 'only')).toHaveLength(3);
        const rest = await fns(60);
        expect(rest.filter((fnId) => fnId === 'only')).toHaveLength(2);
        expect(rest).toHaveLength(36);
      });

      it('takes apps in turn although some of their functions may have no more calls', async () => {
        const limits = { concurrency: 1 };
        for (let n = 0; n < 6; n += 1) await push({ fnId: `narrow-${n % 2}`, app: 'many', limits });
        for (let n = 0; n < 3; n += 1) await push({ fnId: 'wide', app: 'many' });
        for (let n = 0; n < 4; n += 1) await push({ fnId: 'only', app: 'quiet' });
        const fns = (await reserve({ limit: 20 })).map(({ fnId }) => fnId);
        expect(fns).toEqual(['narrow-0', 'only', 'narrow-1', 'only', 'wide', 'only', 'wide', 'only', 'wide']);
      });

      it('takes a function for that of its app as soon as that is known', async () => {
        for (let n = 0; n < 10; n += 1) await push({ fnId: `many-${n}` });
        for (let n = 0; n < 4; n += 1) await push({ fnId: 'only', app: 'quiet' });
        for (let n = 0; n < 10; n += 1) await push({ fnId: `many-${n}`, app: 'many' });
        const fns = (await reserve({ limit: 6 })).map(({ fnId }) => fnId);
        expect(fns.filter((fnId) => fnId === 'only')).toHaveLength(3);
      });

      it('delivers for apps in turn', async () => {
        const onSuccess = (n: number) => ({ lane: 'deliveries', fnId: `callback:${n}`, head: '' }) as const;
        for (let n = 0; n < 6; n += 1) await push({ fnId: `many-${n}`, app: 'many', onSuccess: onSuccess(n) });
        for (let n = 0; n < 3; n += 1) await push({ fnId: 'only', app: 'quiet', onSuccess: onSuccess(9) });
        for (const { lease } of await reserve({ limit: 10 })) await queue.complete(lease, SUCCESS);
        const fns = (await reserve({ lane: 'deliveries', limit: 6 })).map(({ fnId }) => fnId);
        expect(fns.filter((fnId) => fnId === 'callback:9')).toHaveLength(3);
      });

      it('gives one lease in 16 to the lowest priority, so that it is not starved', async () => {
        for (let n = 0; n < 40; n += 1) await push({ priority: 2 });
        await push({ priority: 0 });
        await push({ priority: 0 });
        const low = (await reserve({ limit: 32 })).filter(({ priority }) => priority === 0);
        expect(low).toHaveLength(2);
      });

      it('returns a call to its place when it is given back', async () => {
        const [first, second] = [await push(), await push()];
        const { lease } = await one();
        await queue.giveBack(lease);
        expect(ids(await reserve({ limit: 2 }))).toEqual([first, second]);
      });
    });

    it('lets a function rest for whose calls there is no room, longer each time, and not the others', async () => {
      const large = [await push({ fnId: 'large' }), await push({ fnId: 'large' })];
      for (const restMs of [1_000, 2_000, 4_000, 8_000, 8_000]) {
        const deliveries = await reserve({ limit: 2 });
        expect(ids(deliveries)).toEqual(large);
        // Those that are given back together count once.
        for (const { lease } of deliveries) await queue.giveBack(lease, 1_000);
        const other = await push({ fnId: 'other' });
        const [delivery] = await reserve({ limit: 3 });
        expect(delivery?.lease.callId).toBe(other);
        await queue.complete((delivery as Delivery).lease, SUCCESS);
        await advance(restMs - 1);
        expect(await reserve()).toEqual([]);
        await advance(1);
      }
      const deliveries = await reserve({ limit: 2 });
      await queue.complete((deliveries[0] as Delivery).lease, SUCCESS);
      await queue.giveBack((deliveries[1] as Delivery).lease, 1_000);
      const waiting = reserve({ waitMs: 60_000 });
      await advance(1_000);
      expect(await waiting).toMatchObject([{ attempt: 1 }]);
    });

    describe('a holder that wants only some calls of each function', () => {
      it('gets no more of them, those that it has included, and all that there are of others', async () => {
        for (const fnId of ['hangs', 'hangs', 'hangs', 'hangs', 'a', 'b']) await push({ fnId });
        const count = async (held: Record<string, number>) => {
          const found = await reserve({ limit: 10, perFunction: 2, held: new Map(Object.entries(held)) });
          return found.map(({ fnId }) => fnId).sort();
        };
        expect(await count({ hangs: 1, a: 1, b: 2 })).toEqual(['a', 'hangs']);
        expect(await count({ hangs: 2 })).toEqual(['b']);
        expect(await count({ hangs: 5 })).toEqual([]);
        expect(await count({})).toEqual(['hangs', 'hangs']);
        expect((await reserve({ limit: 10 })).map(({ fnId }) => fnId)).toEqual(['hangs']);
      });

      it('does not take the turn of the others away', async () => {
        for (const fnId of ['hangs', 'a', 'b', 'hangs', 'a', 'b']) await push({ fnId });
        const others = await reserve({ limit: 1, perFunction: 1, held: new Map([['hangs', 1]]) });
        expect(others.map(({ fnId }) => fnId)).toEqual(['a']);
        expect((await one()).fnId).toBe('hangs');
      });

      it('passes over functions of a higher priority, and does not wait for their rate', async () => {
        await push({ fnId: 'hangs', priority: 2, limits: { rate: { calls: 1, perMs: 1_000 } } });
        await push({ fnId: 'a' });
        const wanted = { limit: 2, perFunction: 1, held: new Map([['hangs', 1]]) };
        expect((await reserve(wanted)).map(({ fnId }) => fnId)).toEqual(['a']);
        const waiting = reserve({ ...wanted, waitMs: 5_000 });
        await advance(5_000);
        expect(await waiting).toEqual([]);
      });

      it('does not keep calls from others that wait', async () => {
        const held = new Map([['hangs', 1]]);
        const choosy = [1, 2, 3].map(() => reserve({ perFunction: 1, held, waitMs: HOUR_MS }));
        await advance(1);
        const other = reserve({ waitMs: HOUR_MS });
        await advance(1);
        const callId = await push({ fnId: 'hangs' });
        expect(ids(await other)).toEqual([callId]);
        for (const fnId of ['a', 'b', 'c']) await push({ fnId });
        expect(
          (await Promise.all(choosy))
            .flat()
            .map(({ fnId }) => fnId)
            .sort(),
        ).toEqual(['a', 'b', 'c']);
      });
    });

    describe('when a call is ready', () => {
      it('waits for its delay', async () => {
        const late = await push({ delayMs: 5_000 });
        const now = await push();
        expect(ids(await reserve({ limit: 2 }))).toEqual([now]);
        expect(await state(late)).toBe('delayed');
        await advance(4_999);
        expect(await reserve()).toEqual([]);
        await advance(1);
        expect(ids(await reserve())).toEqual([late]);
      });

      it.each`
        what                     | message
        ${'a delay'}             | ${{ delayMs: Number.MAX_SAFE_INTEGER }}
        ${'a maximum age'}       | ${{ maxAgeMs: Number.MAX_SAFE_INTEGER }}
        ${'a delay without end'} | ${{ delayMs: Number.POSITIVE_INFINITY }}
      `('may have $what that no clock reaches, and others are served', async ({ message }) => {
        const callId = await push({ fnId: 'patient', limits: { concurrency: 1 }, ...message });
        const others = [await push(), await push({ delayMs: 100 })];
        await advance(100);
        expect(ids(await reserve({ limit: 3 })).filter((id) => id !== callId)).toEqual(others);
        expect((await queue.list({ limit: 10 })).calls).toHaveLength(3);
        expect(await queue.cancel(callId)).toEqual({ kind: 'cancelled' });
      });

      it('is dead if it has not started within its maximum age, but is not stopped when it has', async () => {
        const started = await push({ maxAgeMs: 1_000 });
        const { lease } = await one();
        const waits = await push({ maxAgeMs: 1_000 });
        const delayed = await push({ maxAgeMs: 1_000, delayMs: 2_000 });
        await advance(1_000);
        for (const callId of [waits, delayed]) {
          expect(await queue.get(callId)).toMatchObject({ state: 'dead', reason: { code: 'tooOld' } });
        }
        expect(await queue.complete(lease, SUCCESS)).toEqual({ kind: 'completed' });
        expect(await state(started)).toBe('success');
      });

      it('has no more leases of a function than its concurrency limit', async () => {
        for (let n = 0; n < 5; n += 1) await push({ fnId: 'narrow', limits: { concurrency: 2 } });
        await push({ fnId: 'free' });
        const deliveries = await reserve({ limit: 10 });
        expect(deliveries.map(({ fnId }) => fnId).sort()).toEqual(['free', 'narrow', 'narrow']);
        expect(await reserve()).toEqual([]);
        const narrow = deliveries.filter(({ fnId }) => fnId === 'narrow');
        await queue.complete((narrow[0] as Delivery).lease, SUCCESS);
        expect(await reserve({ limit: 10 })).toHaveLength(1);
        await reopen();
        expect(await reserve({ limit: 10 })).toEqual([]);
        await queue.configure('narrow', { concurrency: 3 });
        expect(await reserve({ limit: 10 })).toHaveLength(1);
        await queue.configure('narrow', {});
        expect(await reserve({ limit: 10 })).toHaveLength(1);
      });

      it('leases a function at its rate limit, also over a restart', async () => {
        for (let n = 0; n < 6; n += 1) await push({ limits: { rate: { calls: 2, perMs: 1_000 } } });
        expect(await reserve({ limit: 10 })).toHaveLength(2);
        await reopen();
        expect(await reserve({ limit: 10 })).toHaveLength(0);
        await advance(499);
        expect(await reserve({ limit: 10 })).toHaveLength(0);
        await advance(1);
        expect(await reserve({ limit: 10 })).toHaveLength(1);
        await advance(60_000);
        expect(await reserve({ limit: 10 })).toHaveLength(2);
      });

      it('returns no more bytes than asked for, but at least one call', async () => {
        for (let n = 0; n < 4; n += 1) await push({ body: Buffer.alloc(1_000) });
        expect(await reserve({ limit: 10, maxBytes: 2_100 })).toHaveLength(2);
        expect(await reserve({ limit: 10, maxBytes: 1 })).toHaveLength(1);
      });

      it('returns a long backlog in the order of each function, each call once with its own body', async () => {
        const waiting = { a: [] as string[], b: [] as string[] };
        for (let n = 0; n < 120; n += 1) {
          const fnId = n % 3 === 0 ? 'b' : 'a';
          // Some are so large that few of them are read at a time.
          const body = Buffer.alloc(n % 20 === 0 ? 100_000 : 100, `${n} `);
          waiting[fnId].push(`${await push({ fnId, body })} ${body.toString('utf8', 0, 20)}`);
        }
        const returned = { a: [] as string[], b: [] as string[] };
        for (const limit of [1, 10, 50, 70]) {
          const deliveries = await reserve({ limit });
          for (const { lease, fnId, body } of deliveries) {
            returned[fnId as 'a'].push(`${lease.callId} ${Buffer.from(body).toString('utf8', 0, 20)}`);
          }
          await Promise.all(deliveries.map(({ lease }) => queue.complete(lease, SUCCESS)));
          expect(await Promise.all(deliveries.map(({ lease }) => queue.payload(lease.callId)))).not.toContainEqual(
            expect.anything(),
          );
        }
        expect(returned).toEqual(waiting);
        expect(await reserve()).toEqual([]);
      });

      it('returns 16 MiB at most, and 1 000 calls', async () => {
        await Promise.all(Array.from({ length: 18 }, () => push({ body: Buffer.alloc(1024 * 1024) })));
        const large = await reserve({ limit: 100 });
        expect(large).toHaveLength(15);
        for (const { lease } of [...large, ...(await reserve({ limit: 100 }))]) await queue.cancel(lease.callId);
        await Promise.all(Array.from({ length: 1_001 }, () => push({ body: Buffer.alloc(0) })));
        expect(await reserve({ limit: 5_000 })).toHaveLength(1_000);
      });
    });

    describe('a reservation that waits', () => {
      it('ends empty after its time, and when the queue is closed', async () => {
        const waiting = reserve({ waitMs: 1_000 });
        await advance(1_000);
        expect(await waiting).toEqual([]);
        const other = reserve({ waitMs: HOUR_MS });
        await advance(1);
        await queue.close();
        expect(await other).toEqual([]);
      });

      it.each`
        what                    | prepare                              | act
        ${'a push'}             | ${() => undefined}                   | ${() => push()}
        ${'the end of a delay'} | ${() => push({ delayMs: 100 })}      | ${() => advance(100)}
        ${'an expired lease'}   | ${() => push().then(one)}            | ${() => advance(LEASE_MS)}
        ${'a redrive'}          | ${() => push().then(one).then(bury)} | ${() => queue.redrive({ all: true })}
        ${'a rate limit'} | ${() => push({ limits: { rate: { calls: 1, perMs: 100 } } })
    .then(one)
    .then(() => push())} | ${() => advance(100)}
      `('is woken by $what', async ({ prepare, act }) => {
        await prepare();
        const waiting = reserve({ waitMs: HOUR_MS });
        await advance(1);
        await act();
        await advance(0);
        expect(await waiting).toHaveLength(1);
      });

      it.each`
        what            | act
        ${'completed'}  | ${(lease: Lease) => queue.complete(lease, SUCCESS)}
        ${'given back'} | ${(lease: Lease) => queue.giveBack(lease)}
        ${'cancelled'}  | ${({ callId }: Lease) => queue.cancel(callId)}
      `('is woken when another call of a narrow function is $what', async ({ act }) => {
        await push({ limits: { concurrency: 1 } });
        await push();
        const { lease } = await one();
        const waiting = reserve({ waitMs: HOUR_MS });
        await advance(1);
        await act(lease);
        expect(await waiting).toHaveLength(1);
      });

      it('wakes as many as there are calls', async () => {
        const waiting = [1, 2, 3].map(() => reserve({ waitMs: 10_000 }));
        await advance(1);
        await Promise.all([push(), push()]);
        await advance(10_000);
        expect((await Promise.all(waiting)).map((found) => found.length).sort()).toEqual([0, 1, 1]);
      });

      it('gives back what it got if nobody wants it any more', async () => {
        const controller = new AbortController();
        const waiting = queue.reserve(
          { holder: 'gone', limit: 1, leaseMs: LEASE_MS, waitMs: HOUR_MS },
          controller.signal,
        );
        await advance(1);
        const accepted = push();
        controller.abort();
        await accepted;
        expect(await waiting).toEqual([]);
        expect(await one()).toMatchObject({ attempt: 1 });
      });

      it.each(['nobody wants a call any more', 'the queue closes'])(
        'ends when %s while it looks for one',
        async (why) => {
          const controller = new AbortController();
          const waiting = queue.reserve(
            { holder: 'gone', limit: 1, leaseMs: LEASE_MS, waitMs: HOUR_MS },
            controller.signal,
          );
          if (why === 'the queue closes') await queue.close();
          else controller.abort();
          expect(await waiting).toEqual([]);
        },
      );
    });

    describe('a lease', () => {
      it('expires unless it is extended: the call is leased again, as another attempt', async () => {
        const callId = await push();
        const first = await one();
        await advance(LEASE_MS - 1);
        expect(await queue.extend(first.lease, LEASE_MS)).toEqual({ kind: 'extended' });
        await advance(LEASE_MS - 1);
        expect(await reserve()).toEqual([]);
        await advance(1);
        const second = await one();
        expect(second).toMatchObject({ attempt: 2, lease: { callId } });
        expect((await queue.get(callId))?.history).toMatchObject([{ end: 'leaseExpired', holder: 'lb-1', attempt: 1 }]);
        expect((await queue.get(callId))?.failures).toBe(0);
      });

      it.each`
        operation     | act
        ${'extend'}   | ${(lease: Lease) => queue.extend(lease, LEASE_MS)}
        ${'complete'} | ${(lease: Lease) => queue.complete(lease, SUCCESS)}
        ${'retry'}    | ${(lease: Lease) => queue.retry(lease, CRASHED)}
        ${'giveBack'} | ${(lease: Lease) => queue.giveBack(lease)}
        ${'bury'}     | ${(lease: Lease) => queue.bury(lease, { code: 'x', message: '' })}
      `('that another holder has now: $operation is refused and changes nothing', async ({ act }) => {
        const callId = await push();
        const { lease } = await one();
        await advance(LEASE_MS);
        const second = await one();
        const before = await queue.get(callId);
        expect(await act(lease)).toEqual({ kind: 'leaseLost', because: 'expired' });
        expect(await act({ ...second.lease, token: 'x' })).toMatchObject({ kind: 'leaseLost' });
        expect(await act({ callId: 'nobody', token: 'x' })).toEqual({ kind: 'leaseLost', because: 'unknown' });
        expect(await queue.get(callId)).toEqual(before);
        expect(await queue.complete(second.lease, SUCCESS)).toEqual({ kind: 'completed' });
        expect(await act(lease)).toEqual({ kind: 'leaseLost', because: 'ended' });
      });

      it('is in the history of its call when that succeeds at once, and also after another one was given back', async () => {
        const [only, second] = [await push(), await push()];
        for (const { lease } of await reserve({ limit: 2 })) {
          if (lease.callId === only) await queue.complete(lease, SUCCESS);
          else await queue.giveBack(lease);
        }
        for (const { lease } of await reserve()) await queue.complete(lease, SUCCESS);
        const ends = async (callId: string) =>
          (await queue.get(callId))?.history.map(({ attempt, holder, end }) => [attempt, holder, end]);
        expect(await ends(only)).toEqual([[1, 'lb-1', 'completed']]);
        expect((await ends(second))?.map(([, , end]) => end)).toEqual(['givenBack', 'completed']);
      });

      it('may be used to complete a call twice, with the same answer', async () => {
        await push();
        const { lease } = await one();
        await queue.complete(lease, SUCCESS);
        expect(await queue.complete(lease, { ...SUCCESS, head: 'other' })).toEqual({ kind: 'completed' });
        expect(await queue.result(lease.callId)).toMatchObject({ head: SUCCESS.head });
      });

      it('is renewed when the store is opened again, however long that took', async () => {
        await push();
        const { lease } = await one();
        await queue.close();
        await clock.advance(HOUR_MS);
        queue = await setup.open();
        expect(await reserve()).toEqual([]);
        expect(await queue.extend(lease, LEASE_MS)).toEqual({ kind: 'extended' });
        await advance(LEASE_MS);
        expect(await one()).toMatchObject({ attempt: 2 });
      });

      it('survives a kill', async () => {
        await push();
        const { lease } = await one();
        await setup.kill();
        await queue.close();
        queue = await setup.open();
        expect(await queue.complete(lease, SUCCESS)).toEqual({ kind: 'completed' });
      });
    });

    describe('a call that fails', () => {
      it('is run again after a back-off that doubles, and is dead after its last attempt', async () => {
        const callId = await push({ policy: { ...POLICY, attempts: 4 } });
        for (const backoffMs of [1_000, 2_000, 4_000]) {
          const answer = await queue.retry((await one()).lease, CRASHED);
          const delayMs = answer.kind === 'retried' ? answer.delayMs : 0;
          expect(delayMs).toBeGreaterThanOrEqual(backoffMs / 2);
          expect(delayMs).toBeLessThanOrEqual(backoffMs);
          await advance(delayMs - 1);
          expect(await reserve()).toEqual([]);
          await advance(1);
        }
        const last = await one();
        expect(last.attempt).toBe(4);
        const reason = { code: 'functionFailed', message: 'exit code 1' };
        expect(await queue.retry(last.lease, CRASHED)).toEqual({ kind: 'dead', reason });
        expect(await queue.get(callId)).toMatchObject({ state: 'dead', failures: 4, attempts: 4, reason });
      });

      it('because of the platform is run again without being counted', async () => {
        const callId = await push();
        for (let attempt = 1; attempt <= 5; attempt += 1) {
          const delivery = await one();
          expect(delivery.attempt).toBe(attempt);
          expect(await queue.retry(delivery.lease, LOST)).toMatchObject({ kind: 'retried' });
          await advance(10_000);
        }
        expect(await queue.get(callId)).toMatchObject({ failures: 0, attempts: 5 });
      });

      it('that was given back is not counted, and the next attempt has the same number', async () => {
        const callId = await push();
        await queue.giveBack((await one()).lease);
        expect((await one()).attempt).toBe(1);
        expect(await queue.get(callId)).toMatchObject({ attempts: 1, failures: 0 });
      });

      it('in a way that its policy does not retry is dead at once', async () => {
        const callId = await push();
        const refused: Failure = { kind: 'caller', code: 'resourceTooBig', message: 'no' };
        expect(await queue.retry((await one()).lease, refused)).toMatchObject({ kind: 'dead' });
        expect(await state(callId)).toBe('dead');
      });

      it('waits as long as the function asks for', async () => {
        await push();
        expect(await queue.retry((await one()).lease, { ...CRASHED, afterMs: 60_000 })).toEqual({
          kind: 'retried',
          delayMs: 60_000,
        });
      });

      it('waits a day at most, whatever a runner or a balancer asks for, and others are served meanwhile', async () => {
        const patient = await push();
        const { lease } = await one();
        await push({ delayMs: 100 });
        const answer = await queue.retry(lease, { ...LOST, afterMs: Number.MAX_SAFE_INTEGER });
        expect(answer).toEqual({ kind: 'retried', delayMs: DAY_MS });
        await advance(100);
        expect(ids(await reserve({ limit: 2 }))).toEqual(['c00002']);
        await push();
        expect(ids(await reserve({ limit: 2 }))).toEqual(['c00003']);
        expect(await state(patient)).toBe('delayed');
      });

      it('because of the platform each time is dead after 100 attempts: it may be what kills its runners', async () => {
        const callId = await push();
        for (let attempt = 1; attempt < 100; attempt += 1) {
          expect(await queue.retry((await one()).lease, LOST)).toMatchObject({ kind: 'retried' });
          await advance(10_000);
        }
        expect(await queue.retry((await one()).lease, LOST)).toMatchObject({ kind: 'dead' });
        expect(await queue.get(callId)).toMatchObject({ state: 'dead', attempts: 100, failures: 0 });
      });

      it('shows its failures also after a long outage in which it was given back many times', async () => {
        const policy = { ...POLICY, attempts: 50 };
        const callId = await push({ policy });
        const fail = async (times: number) => {
          for (let n = 0; n < times; n += 1) {
            await queue.retry((await one()).lease, CRASHED);
            await advance(10_000);
          }
        };
        const wait = async (times: number) => {
          for (let n = 0; n < times; n += 1) {
            await queue.giveBack((await one()).lease);
            await advance(1_000);
          }
        };
        const history = async () => {
          const past = (await queue.get(callId))?.history ?? [];
          expect(past.map(({ startedAt }) => startedAt)).toEqual(past.map(({ startedAt }) => startedAt).sort());
          return past.map(({ end, attempt }) => `${attempt} ${end}`);
        };
        const failures = (from: number, to: number) =>
          Array.from({ length: to - from + 1 }, (_, n) => `${from + n} retried`);
        const waits = (attempt: number, times: number) => Array(times).fill(`${attempt} givenBack`);

        await wait(5);
        await fail(3);
        await wait(40);
        expect(await history()).toEqual([...failures(1, 3), ...waits(4, 17)]);
        await reopen();
        await fail(10);
        expect(await history()).toEqual([...failures(1, 3), ...waits(4, 7), ...failures(4, 13)]);
        await fail(9);
        await wait(1);
        expect(await history()).toEqual([...failures(4, 22), ...waits(23, 1)]);
        await fail(1);
        expect(await history()).toEqual(failures(4, 23));
        await queue.complete((await one()).lease, SUCCESS);
        expect(await history()).toEqual([...failures(5, 23), '24 completed']);
      });

      it('that kills its holder each time is dead after 100 attempts', async () => {
        const callId = await push();
        for (let attempt = 1; attempt <= 100; attempt += 1) {
          expect((await one()).attempt).toBe(attempt);
          await advance(LEASE_MS);
        }
        expect(await queue.get(callId)).toMatchObject({ state: 'dead', reason: { code: 'tooManyDeliveries' } });
        expect((await queue.get(callId))?.history.map(({ attempt }) => attempt)).toEqual(
          Array.from({ length: 20 }, (_, at) => 81 + at),
        );
        await queue.redrive({ callId });
        expect(ids(await reserve())).toEqual([callId]);
      });
    });

    describe('cancelling', () => {
      it.each(['ready', 'delayed'] as const)('a %s call: it never starts', async (kind) => {
        const callId = await push(kind === 'delayed' ? { delayMs: 10 } : {});
        expect(await state(callId)).toBe(kind);
        expect(await queue.cancel(callId)).toEqual({ kind: 'cancelled' });
        await advance(10);
        expect(await reserve()).toEqual([]);
        expect(await state(callId)).toBe('cancelled');
      });

      it('a running call: its holder learns it, and cannot complete it', async () => {
        const callId = await push();
        const { lease } = await one();
        expect(await queue.cancel(callId)).toEqual({ kind: 'cancelled' });
        expect(await queue.extend(lease, LEASE_MS)).toEqual({ kind: 'leaseLost', because: 'cancelled' });
        expect(await queue.complete(lease, SUCCESS)).toEqual({ kind: 'leaseLost', because: 'cancelled' });
        await advance(LEASE_MS);
        expect(await state(callId)).toBe('cancelled');
      });

      it('a call that has ended, or that nobody knows, changes nothing', async () => {
        const callId = await push();
        await queue.complete((await one()).lease, SUCCESS);
        expect(await queue.cancel(callId)).toEqual({ kind: 'ended', status: 'success' });
        expect(await queue.cancel('nobody')).toEqual({ kind: 'notFound' });
        expect(await state(callId)).toBe('success');
      });
    });

    describe('what follows a call', () => {
      const followUp = (head: string) => ({ lane: 'deliveries', fnId: 'callback', head, policy: POLICY }) as const;
      const both = { onSuccess: followUp('succeeded'), onFailure: followUp('failed') };
      const deliveries = () => reserve({ lane: 'deliveries', limit: 10 });
      const completed = async () => void (await queue.complete((await one()).lease, SUCCESS));
      const buried = async () => void (await bury(await one()));

      it.each`
        end                           | message             | act                             | heads
        ${'when it succeeds'}         | ${{}}               | ${completed}                    | ${['succeeded']}
        ${'when it is buried'}        | ${{}}               | ${buried}                       | ${['failed']}
        ${'when it is too old'}       | ${{ maxAgeMs: 10 }} | ${() => advance(10)}            | ${['failed']}
        ${'not when it is cancelled'} | ${{}}               | ${() => queue.cancel('c00001')} | ${[]}
        ${'not before it has ended'}  | ${{}}               | ${one}                          | ${[]}
        ${'each time that it becomes dead'} | ${{}} | ${() => buried()
    .then(() => queue.redrive({ all: true }))
    .then(buried)} | ${['failed', 'failed']}
      `('is leased by those who deliver, $end', async ({ message, act, heads }) => {
        await push({ ...message, ...both });
        await act();
        await setup.kill();
        await queue.close();
        queue = await setup.open();
        const found = await deliveries();
        expect(found.map(({ head, body, fnId }) => [head, body.length, fnId])).toEqual(
          heads.map((head: string) => [head, 0, 'callback']),
        );
        for (const { lease } of found) await queue.complete(lease, SUCCESS);
        expect(await deliveries()).toEqual([]);
      });

      it('is not leased by those who run calls, and is retried and dies like a call', async () => {
        await push(both);
        await completed();
        expect(await reserve()).toEqual([]);
        const [first] = await deliveries();
        await queue.retry((first as Delivery).lease, CRASHED);
        await advance(1_000);
        const [second] = await deliveries();
        expect(await queue.retry((second as Delivery).lease, CRASHED)).toMatchObject({ kind: 'dead' });
        expect((await queue.list({ state: 'dead', limit: 10 })).calls).toMatchObject([{ fnId: 'callback' }]);
      });

      it('is listed apart from calls by its lane', async () => {
        const callId = await push(both);
        await completed();
        const fnsIn = async (lane?: Lane) => (await queue.list({ lane, limit: 10 })).calls.map(({ fnId }) => fnId);
        expect(await fnsIn('deliveries')).toEqual(['callback']);
        expect((await queue.list({ lane: 'calls', limit: 10 })).calls).toMatchObject([{ callId }]);
        expect(await fnsIn()).toHaveLength(2);
        await advance(2_000);
        await push();
        await advance(1_000);
        const ages = { oldestAgeMs: 1_000, oldestDeliveryAgeMs: 3_000 };
        expect(await queue.stats()).toMatchObject({ ready: 2, deliveries: 1, ended: 1, ...ages });
        const [delivery] = await deliveries();
        await queue.complete((delivery as Delivery).lease, SUCCESS);
        const afterwards = { ready: 1, deliveries: 0, ended: 2, oldestAgeMs: 1_000, oldestDeliveryAgeMs: undefined };
        expect(await queue.stats()).toMatchObject(afterwards);
      });

      it.each(['calls', 'deliveries'] as const)(
        'wakes one of those who wait for %s, not only of the others',
        async (lane) => {
          await push(both);
          const running = await one();
          const left = new AbortController();
          const others = [1, 2, 3].map(() =>
            queue.reserve(
              {
                lane: lane === 'calls' ? 'deliveries' : 'calls',
                ...{ holder: 'other', limit: 1, leaseMs: LEASE_MS, waitMs: HOUR_MS },
              },
              left.signal,
            ),
          );
          const asked = queue.reserve(
            { lane, holder: 'me', limit: 1, leaseMs: LEASE_MS, waitMs: HOUR_MS },
            left.signal,
          );
          await queue.stats();
          if (lane === 'calls') await push();
          else await queue.complete(running.lease, SUCCESS);
          const late = sleep(30_000, 'asleep', { ref: false });
          expect(await Promise.race([asked, late])).toMatchObject([{ attempt: 1 }]);
          left.abort();
          await Promise.all(others);
        },
      );

      it('is accepted also when the queue is full', async () => {
        await reopen({ maxMessages: 1 });
        await push(both);
        await completed();
        expect(await deliveries()).toHaveLength(1);
      });
    });

    it('ends the waiting calls of a deleted function as dead, and those that come back', async () => {
      const running = await push();
      const { lease } = await one();
      const many = await Promise.all(Array.from({ length: 450 }, () => push()));
      const delayed = await push({ delayMs: HOUR_MS });
      const other = await push({ fnId: 'other' });
      await queue.buryFunction('f', { code: 'fnNotFound', message: 'the function was deleted' });
      expect(ids(await reserve({ limit: 100 }))).toEqual([other]);
      for (let portion = 0; portion < 5; portion += 1) await advance(10);
      expect(await queue.stats()).toMatchObject({ ready: 0, delayed: 0, running: 2, dead: 451 });
      for (const callId of [many[0], many[449], delayed] as string[]) {
        expect(await queue.get(callId)).toMatchObject({ state: 'dead', reason: { code: 'fnNotFound' } });
      }
      await queue.retry(lease, CRASHED);
      await reopen();
      await advance(10);
      expect(await state(running)).toBe('dead');
    });

    describe('dead letters', () => {
      const die = async (message: Partial<NewMessage> = {}) => {
        const callId = await push(message);
        await queue.bury((await one()).lease, { code: 'functionFailed', message: 'x'.repeat(5_000) });
        return callId;
      };

      it('are listed, and show their reason, history and what was sent', async () => {
        const callId = await die({ head: '{"h":1}', body: Buffer.from('sent') });
        const { calls } = await queue.list({ state: 'dead', limit: 10 });
        expect(calls.map((call) => call.callId)).toEqual([callId]);
        const call = await queue.get(callId);
        expect(call?.reason?.message).toHaveLength(2_000);
        expect(call?.history).toMatchObject([{ end: 'dead', attempt: 1, reason: { code: 'functionFailed' } }]);
        const payload = await queue.payload(callId);
        expect([payload?.head, Buffer.from(payload?.body ?? []).toString()]).toEqual(['{"h":1}', 'sent']);
      });

      it.each`
        selection                | act                     | which
        ${'one call'}            | ${{ callId: 'c00002' }} | ${['c00002']}
        ${'a function'}          | ${{ fnId: 'g' }}        | ${['c00002', 'c00003']}
        ${'all'}                 | ${{ all: true }}        | ${['c00001', 'c00002', 'c00003']}
        ${'another call'}        | ${{ callId: 'c00004' }} | ${[]}
        ${'an unknown call'}     | ${{ callId: 'x' }}      | ${[]}
        ${'an unknown function'} | ${{ fnId: 'x' }}        | ${[]}
      `('are redriven or purged: $selection', async ({ act, which }) => {
        for (const fnId of ['f', 'g', 'g']) await die({ fnId });
        const alive = await push({ fnId: 'g', delayMs: HOUR_MS });
        expect(await queue.redrive(act)).toBe(which.length);
        const again = await reserve({ limit: 10 });
        expect(ids(again).sort()).toEqual(which);
        for (const { attempt, lease } of again) {
          expect(attempt).toBe(2);
          await queue.bury(lease, { code: 'again', message: '' });
        }
        expect(await queue.purge(act)).toBe(which.length);
        for (const callId of which) expect(await queue.get(callId)).toBeUndefined();
        expect((await queue.stats()).dead).toBe(3 - which.length);
        expect(await state(alive)).toBe('delayed');
      });

      it('that are many are redriven and purged in portions', async () => {
        for (let n = 0; n < 5; n += 1) {
          await Promise.all(Array.from({ length: 100 }, () => push({ policy: { ...POLICY, attempts: 1 } })));
        }
        const fail = async () => {
          const deliveries = await reserve({ limit: 1_000 });
          await Promise.all(deliveries.map(({ lease }) => queue.retry(lease, CRASHED)));
          return deliveries.length;
        };
        expect(await fail()).toBe(500);
        expect(await queue.redrive({ all: true })).toBe(500);
        expect(await fail()).toBe(500);
        expect(await queue.purge({ all: true })).toBe(500);
        expect(await queue.stats()).toMatchObject({ dead: 0, ready: 0 });
      });

      it('may have run as often as a call can: redriven, they begin with the first attempt', async () => {
        const policy = { ...POLICY, attempts: 100, backoffMs: 0 };
        const callId = await push({ policy });
        for (let attempt = 1; attempt <= 100; attempt += 1) await queue.retry((await one()).lease, CRASHED);
        expect(await queue.get(callId)).toMatchObject({ state: 'dead', attempts: 100 });
        expect(await queue.redrive({ callId })).toBe(1);
        const { attempt, lease } = await one();
        expect(attempt).toBe(1);
        expect(await queue.retry(lease, CRASHED)).toMatchObject({ kind: 'retried' });
      });

      it('have their full age again when they are redriven', async () => {
        const callId = await push({ maxAgeMs: 1_000 });
        await advance(1_000);
        await queue.redrive({ callId });
        await advance(999);
        expect(await state(callId)).toBe('ready');
        await advance(1);
        expect(await state(callId)).toBe('dead');
      });

      it.each`
        which                                                | again
        ${'after their time'}                                | ${false}
        ${'after their time, again when they were redriven'} | ${true}
      `('are forgotten $which', async ({ again }) => {
        await reopen({ keepDeadMs: HOUR_MS });
        const callId = await die();
        if (again) {
          await advance(HOUR_MS - 120_000);
          await queue.redrive({ callId });
          await bury(await one());
        }
        await advance(HOUR_MS - 120_000);
        expect(await state(callId)).toBe('dead');
        await passFourMinutes();
        expect(await state(callId)).toBeUndefined();
        expect((await queue.stats()).dead).toBe(0);
      });
    });

    describe('what is known of a call', () => {
      it('is its whole story, with the times of the wall clock', async () => {
        const start = clock.wallNow();
        const callId = await push({ priority: 1 });
        await advance(100);
        const first = await one();
        await advance(50);
        await queue.retry(first.lease, LOST);
        await advance(10_000);
        const second = await one();
        await advance(200);
        await queue.complete(second.lease, SUCCESS);
        const at = (ms: number) => later(start, ms);
        expect(await queue.get(callId)).toEqual({
          ...{ callId, fnId: 'f', state: 'success', priority: 1, attempts: 2, failures: 0, reason: undefined },
          ...{ acceptedAt: start, startedAt: at(10_150), endedAt: at(10_350) },
          history: [
            {
              ...{ attempt: 1, holder: 'lb-1', end: 'retried', startedAt: at(100), endedAt: at(150) },
              reason: { code: 'serverBusy', message: 'the runner was lost' },
            },
            {
              ...{ attempt: 2, holder: 'lb-1', end: 'completed', startedAt: at(10_150), endedAt: at(10_350) },
              reason: undefined,
            },
          ],
        });
        expect(await queue.payload(callId)).toBeUndefined();
      });

      it('includes when it becomes ready, also after the wall clock was set', async () => {
        const callId = await push({ delayMs: 5_000 });
        await advance(1_000);
        clock.stepWall(HOUR_MS);
        expect((await queue.get(callId))?.nextAt).toBe(later(clock.wallNow(), 4_000));
        await advance(4_000);
        const { lease } = await one();
        expect((await queue.get(callId))?.nextAt).toBeUndefined();
        const answer = await queue.retry(lease, CRASHED);
        const { delayMs } = answer as { readonly delayMs: number };
        expect((await queue.get(callId))?.nextAt).toBe(later(clock.wallNow(), delayMs));
      });

      it('includes the first bytes of its result', async () => {
        await reopen({ maxResultBytes: 4 });
        const callId = await push();
        expect(await queue.result(callId)).toBeUndefined();
        await queue.complete((await one()).lease, { head: '{}', body: Buffer.from('0123456789') });
        const result = await queue.result(callId);
        expect([result?.head, Buffer.from(result?.body ?? []).toString(), result?.bodyBytes]).toEqual([
          '{}',
          '0123',
          10,
        ]);
      });

      it('includes the log of its last attempt that had one', async () => {
        await reopen({ maxResultBytes: 8 });
        const callId = await push();
        expect(await queue.log(callId)).toBeUndefined();
        await queue.retry((await one()).lease, { ...CRASHED, log: 'first' });
        await advance(1_000);
        expect(await queue.log(callId)).toBe('first');
        await queue.complete((await one()).lease, { ...SUCCESS, log: 'second and last' });
        expect(await queue.log(callId)).toBe('second a');
      });

      it('is forgotten after its time, or when too many have ended', async () => {
        await reopen({ keepMs: HOUR_MS, maxRecords: 2 });
        const calls = [await push(), await push(), await push()];
        for (const _ of calls) {
          await queue.complete((await one()).lease, SUCCESS);
          await advance(1);
        }
        await passFourMinutes();
        expect(await Promise.all(calls.map(state))).toEqual([undefined, 'success', 'success']);
        await advance(HOUR_MS);
        await passFourMinutes();
        expect(await Promise.all(calls.map(state))).toEqual([undefined, undefined, undefined]);
        expect((await queue.stats()).ended).toBe(0);
        expect(await queue.result(calls[2] as string)).toBeUndefined();
      });

      it('is kept for ever if the operator wants that', async () => {
        const ever = Number.MAX_SAFE_INTEGER;
        await reopen({ keepMs: ever, keepDeadMs: ever, keepKeyMs: ever });
        const [first, second] = [await push({ idempotencyKey: 'k' }), await push()];
        await queue.complete((await one()).lease, SUCCESS);
        await bury(await one());
        await reopen({ keepMs: ever, keepDeadMs: ever, keepKeyMs: ever });
        expect((await queue.list({ limit: 10 })).calls.map(({ state }) => state)).toEqual(['dead', 'success']);
        expect(await push({ idempotencyKey: 'k', callId: 'again' })).toBe('again');
        expect(await queue.redrive({ callId: second })).toBe(1);
        expect(await state(first)).toBe('success');
        expect(await state('again')).toBeUndefined();
      });

      it('is listed by function, state and time of acceptance, newest first, page by page', async () => {
        const all: string[] = [];
        for (let n = 0; n < 9; n += 1) {
          all.push(await push({ fnId: n % 3 === 0 ? 'g' : 'f' }));
          await advance(1_000);
        }
        await queue.cancel(all[4] as string);
        const found = async (query: Partial<Parameters<MessageQueue['list']>[0]>) => {
          const calls: string[] = [];
          let cursor: string | undefined;
          do {
            const page = await queue.list({ limit: 2, cursor, ...query });
            expect(page.calls.length).toBeLessThanOrEqual(2);
            calls.push(...page.calls.map(({ callId }) => callId));
            cursor = page.next;
          } while (cursor !== undefined);
          return calls.map((callId) => all.indexOf(callId));
        };
        expect(await found({})).toEqual([8, 7, 6, 5, 4, 3, 2, 1, 0]);
        expect(await found({ fnId: 'g' })).toEqual([6, 3, 0]);
        expect(await found({ fnId: 'f', state: 'ready' })).toEqual([8, 7, 5, 2, 1]);
        expect(await found({ state: 'cancelled' })).toEqual([4]);
        expect(await found({ fnId: 'nobody' })).toEqual([]);
        const third = (await queue.get(all[3] as string))?.acceptedAt;
        expect(await found({ since: third })).toEqual([8, 7, 6, 5, 4, 3]);
        expect(await found({ until: third, fnId: 'f' })).toEqual([2, 1]);
      });

      it('is counted', async () => {
        expect(await queue.stats()).toMatchObject({ ready: 0, oldestAgeMs: undefined, functions: [] });
        await push({ fnId: 'a' });
        await advance(5_000);
        for (let n = 0; n < 3; n += 1) await push({ fnId: 'b' });
        await push({ fnId: 'b', delayMs: HOUR_MS });
        await advance(1_000);
        const [first, second] = await reserve({ limit: 2 });
        await queue.bury((second as Delivery).lease, { code: 'x', message: '' });
        expect(first?.fnId).toBe('a');
        const counted = {
          ...{ ready: 2, delayed: 1, running: 1, dead: 1, ended: 0, oldestAgeMs: 1_000 },
          functions: [
            { fnId: 'b', ready: 2, delayed: 1, running: 0, dead: 1 },
            { fnId: 'a', ready: 0, delayed: 0, running: 1, dead: 0 },
          ],
        };
        expect(await queue.stats()).toMatchObject(counted);
        await reopen();
        expect(await queue.stats()).toMatchObject(counted);
      });

      it('is told to listeners until they unsubscribe', async () => {
        const told: unknown[] = [];
        const unsubscribe = queue.subscribe((event) => told.push(event));
        const callId = await push();
        const { lease } = await one();
        await queue.complete(lease, SUCCESS);
        await queue.stats();
        unsubscribe();
        await push();
        expect(told).toContainEqual({ kind: 'ready' });
        expect(told).toContainEqual({ kind: 'ended', callId, state: 'success' });
        expect(told.filter((event) => (event as { kind: string }).kind === 'ended')).toHaveLength(1);
      });
    });

    describe('a wall clock that is set', () => {
      it.each([-DAY_MS, DAY_MS, 3_650 * DAY_MS])(
        'by %i ms: nothing is delivered early, late or twice',
        async (stepMs) => {
          const delayed = await push({ delayMs: 10_000 });
          const aging = await push({ maxAgeMs: HOUR_MS });
          const { lease } = await one();
          const waits = await push({ maxAgeMs: HOUR_MS });
          clock.stepWall(stepMs);
          await advance(9_999);
          expect([await state(delayed), await state(waits)]).toEqual(['delayed', 'ready']);
          expect(await queue.extend(lease, LEASE_MS)).toEqual({ kind: 'extended' });
          await advance(1);
          expect(await state(delayed)).toBe('ready');
          await advance(LEASE_MS);
          expect(await state(aging)).toBe('ready');
        },
      );

      it.each([-3_650 * DAY_MS, -HOUR_MS, HOUR_MS, 3_650 * DAY_MS])(
        'by %i ms while no process has the store: a call of two days is as old as before, or a day older',
        async (stepMs) => {
          const callId = await push({ maxAgeMs: 2 * DAY_MS });
          const delayed = await push({ delayMs: 2 * DAY_MS });
          await queue.close();
          clock.stepWall(stepMs);
          queue = await setup.open();
          await advance(HOUR_MS);
          expect([await state(callId), await state(delayed)]).toEqual(['ready', 'delayed']);
          // And time goes on.
          await advance(2 * DAY_MS);
          expect([await state(callId), await state(delayed)]).toEqual(['dead', 'ready']);
          expect(epochMs(clock.wallNow())).toBeGreaterThan(0);
        },
      );

      it('counts the time between two processes', async () => {
        const callId = await push({ delayMs: HOUR_MS });
        await queue.close();
        await clock.advance(HOUR_MS);
        queue = await setup.open();
        await advance(0);
        expect(await state(callId)).toBe('ready');
      });

      it('counts the idle time before a kill', async () => {
        const callId = await push({ delayMs: 3 * DAY_MS });
        for (let hours = 0; hours < 70; hours += 1) await advance(HOUR_MS);
        await setup.kill();
        await queue.close();
        queue = await setup.open();
        await advance(2 * HOUR_MS - 60_000);
        expect(await state(callId)).toBe('delayed');
        await advance(120_000);
        expect(await state(callId)).toBe('ready');
      });
    });

    it('refuses operations after it is closed', async () => {
      await queue.close();
      await queue.close();
      await expect(push()).rejects.toThrow('the queue is closed');
      expect(await reserve()).toEqual([]);
    });

    it('after a kill has what it has acknowledged', async () => {
      const calls = await Promise.all(Array.from({ length: 20 }, () => push()));
      const deliveries = await reserve({ limit: 10 });
      await Promise.all(deliveries.slice(0, 5).map(({ lease }) => queue.complete(lease, SUCCESS)));
      await setup.kill();
      await queue.close();
      queue = await setup.open();
      expect(await Promise.all(calls.map(state))).toEqual([
        ...Array(5).fill('success'),
        ...Array(5).fill('running'),
        ...Array(10).fill('ready'),
      ]);
    });
  });
}
