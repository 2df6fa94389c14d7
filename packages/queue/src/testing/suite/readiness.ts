import type { Delivery } from '../../message-queue.js';
import { ids, SUCCESS, type TestedQueue } from '../tested-queue.js';

/** When calls are leased, and how many at a time. */
export function describeReadiness(tested: TestedQueue): void {
  const { push, reserve, one, advance, state, reopen } = tested;

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
      expect((await tested.queue.list({ limit: 10 })).calls).toHaveLength(3);
      expect(await tested.queue.cancel(callId)).toEqual({ kind: 'cancelled' });
    });

    it('is dead if it has not started within its maximum age, but is not stopped when it has', async () => {
      const started = await push({ maxAgeMs: 1_000 });
      const { lease } = await one();
      const waits = await push({ maxAgeMs: 1_000 });
      const delayed = await push({ maxAgeMs: 1_000, delayMs: 2_000 });
      await advance(1_000);
      for (const callId of [waits, delayed]) {
        expect(await tested.queue.get(callId)).toMatchObject({ state: 'dead', reason: { code: 'tooOld' } });
      }
      expect(await tested.queue.complete(lease, SUCCESS)).toEqual({ kind: 'completed' });
      expect(await state(started)).toBe('success');
    });

    it('has no more leases of a function than its concurrency limit', async () => {
      for (let n = 0; n < 5; n += 1) await push({ fnId: 'narrow', limits: { concurrency: 2 } });
      await push({ fnId: 'free' });
      const deliveries = await reserve({ limit: 10 });
      expect(deliveries.map(({ fnId }) => fnId).sort()).toEqual(['free', 'narrow', 'narrow']);
      expect(await reserve()).toEqual([]);
      const narrow = deliveries.filter(({ fnId }) => fnId === 'narrow');
      await tested.queue.complete((narrow[0] as Delivery).lease, SUCCESS);
      expect(await reserve({ limit: 10 })).toHaveLength(1);
      await reopen();
      expect(await reserve({ limit: 10 })).toEqual([]);
      await tested.queue.configure('narrow', { concurrency: 3 });
      expect(await reserve({ limit: 10 })).toHaveLength(1);
      await tested.queue.configure('narrow', {});
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
        await Promise.all(deliveries.map(({ lease }) => tested.queue.complete(lease, SUCCESS)));
        expect(await Promise.all(deliveries.map(({ lease }) => tested.queue.payload(lease.callId)))).not.toContainEqual(
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
      for (const { lease } of [...large, ...(await reserve({ limit: 100 }))]) await tested.queue.cancel(lease.callId);
      await Promise.all(Array.from({ length: 1_001 }, () => push({ body: Buffer.alloc(0) })));
      expect(await reserve({ limit: 5_000 })).toHaveLength(1_000);
    });
  });
}
