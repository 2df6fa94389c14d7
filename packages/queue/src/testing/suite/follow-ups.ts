import { setTimeout as sleep } from 'node:timers/promises';
import type { Delivery, Lane } from '../../message-queue.js';
import { CRASHED, HOUR_MS, LEASE_MS, POLICY, SUCCESS, type TestedQueue } from '../tested-queue.js';

/** Deliveries of how a call ended. */
export function describeFollowUps(tested: TestedQueue): void {
  const { push, reserve, one, bury, advance, reopen } = tested;

  describe('what follows a call', () => {
    const followUp = (head: string) => ({ lane: 'deliveries', fnId: 'callback', head, policy: POLICY }) as const;
    const both = { onSuccess: followUp('succeeded'), onFailure: followUp('failed') };
    const deliveries = () => reserve({ lane: 'deliveries', limit: 10 });
    const completed = async () => void (await tested.queue.complete((await one()).lease, SUCCESS));
    const buried = async () => void (await bury(await one()));

    it.each`
      end                           | message             | act                                    | heads
      ${'when it succeeds'}         | ${{}}               | ${completed}                           | ${['succeeded']}
      ${'when it is buried'}        | ${{}}               | ${buried}                              | ${['failed']}
      ${'when it is too old'}       | ${{ maxAgeMs: 10 }} | ${() => advance(10)}                   | ${['failed']}
      ${'not when it is cancelled'} | ${{}}               | ${() => tested.queue.cancel('c00001')} | ${[]}
      ${'not before it has ended'}  | ${{}}               | ${one}                                 | ${[]}
      ${'each time that it becomes dead'} | ${{}} | ${() => buried()
    .then(() => tested.queue.redrive({ all: true }))
    .then(buried)} | ${['failed', 'failed']}
    `('is leased by those who deliver, $end', async ({ message, act, heads }) => {
      await push({ ...message, ...both });
      await act();
      await tested.killAndReopen();
      const found = await deliveries();
      expect(found.map(({ head, body, fnId }) => [head, body.length, fnId])).toEqual(
        heads.map((head: string) => [head, 0, 'callback']),
      );
      for (const { lease } of found) await tested.queue.complete(lease, SUCCESS);
      expect(await deliveries()).toEqual([]);
    });

    it('is not leased by those who run calls, and is retried and dies like a call', async () => {
      await push(both);
      await completed();
      expect(await reserve()).toEqual([]);
      const [first] = await deliveries();
      await tested.queue.retry((first as Delivery).lease, CRASHED);
      await advance(1_000);
      const [second] = await deliveries();
      expect(await tested.queue.retry((second as Delivery).lease, CRASHED)).toMatchObject({ kind: 'dead' });
      expect((await tested.queue.list({ state: 'dead', limit: 10 })).calls).toMatchObject([{ fnId: 'callback' }]);
    });

    it('is listed apart from calls by its lane', async () => {
      const callId = await push(both);
      await completed();
      const fnsIn = async (lane?: Lane) => (await tested.queue.list({ lane, limit: 10 })).calls.map(({ fnId }) => fnId);
      expect(await fnsIn('deliveries')).toEqual(['callback']);
      expect((await tested.queue.list({ lane: 'calls', limit: 10 })).calls).toMatchObject([{ callId }]);
      expect(await fnsIn()).toHaveLength(2);
      await advance(2_000);
      await push();
      await advance(1_000);
      const ages = { oldestAgeMs: 1_000, oldestDeliveryAgeMs: 3_000 };
      expect(await tested.queue.stats()).toMatchObject({ ready: 2, deliveries: 1, ended: 1, ...ages });
      const [delivery] = await deliveries();
      await tested.queue.complete((delivery as Delivery).lease, SUCCESS);
      const afterwards = { ready: 1, deliveries: 0, ended: 2, oldestAgeMs: 1_000, oldestDeliveryAgeMs: undefined };
      expect(await tested.queue.stats()).toMatchObject(afterwards);
    });

    it.each(['calls', 'deliveries'] as const)(
      'wakes one of those who wait for %s, not only of the others',
      async (lane) => {
        await push(both);
        const running = await one();
        const left = new AbortController();
        const others = [1, 2, 3].map(() =>
          tested.queue.reserve(
            {
              lane: lane === 'calls' ? 'deliveries' : 'calls',
              ...{ holder: 'other', limit: 1, leaseMs: LEASE_MS, waitMs: HOUR_MS },
            },
            left.signal,
          ),
        );
        const asked = tested.queue.reserve(
          { lane, holder: 'me', limit: 1, leaseMs: LEASE_MS, waitMs: HOUR_MS },
          left.signal,
        );
        await tested.queue.stats();
        if (lane === 'calls') await push();
        else await tested.queue.complete(running.lease, SUCCESS);
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
}
