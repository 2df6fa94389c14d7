import type { Delivery } from '../../message-queue.js';
import { ids, SUCCESS, type TestedQueue } from '../tested-queue.js';

/** Whose turn it is. */
export function describeOrder(tested: TestedQueue): void {
  const { push, reserve, one, advance, reopen } = tested;

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
      for (const { lease } of await reserve({ limit: 10 })) await tested.queue.complete(lease, SUCCESS);
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
      await tested.queue.giveBack(lease);
      expect(ids(await reserve({ limit: 2 }))).toEqual([first, second]);
    });
  });

  it('lets a function rest for whose calls there is no room, longer each time, and not the others', async () => {
    const large = [await push({ fnId: 'large' }), await push({ fnId: 'large' })];
    for (const restMs of [1_000, 2_000, 4_000, 8_000, 8_000]) {
      const deliveries = await reserve({ limit: 2 });
      expect(ids(deliveries)).toEqual(large);
      // Those that are given back together count once.
      for (const { lease } of deliveries) await tested.queue.giveBack(lease, 1_000);
      const other = await push({ fnId: 'other' });
      const [delivery] = await reserve({ limit: 3 });
      expect(delivery?.lease.callId).toBe(other);
      await tested.queue.complete((delivery as Delivery).lease, SUCCESS);
      await advance(restMs - 1);
      expect(await reserve()).toEqual([]);
      await advance(1);
    }
    const deliveries = await reserve({ limit: 2 });
    await tested.queue.complete((deliveries[0] as Delivery).lease, SUCCESS);
    await tested.queue.giveBack((deliveries[1] as Delivery).lease, 1_000);
    const waiting = reserve({ waitMs: 60_000 });
    await advance(1_000);
    expect(await waiting).toMatchObject([{ attempt: 1 }]);
  });
}
