import type { Lease } from '../../message-queue.js';
import { CRASHED, HOUR_MS, LEASE_MS, SUCCESS, type TestedQueue } from '../tested-queue.js';

/** How long a lease is valid, and what it allows. */
export function describeLeases(tested: TestedQueue): void {
  const { push, reserve, one, advance } = tested;

  describe('a lease', () => {
    it('expires unless it is extended: the call is leased again, as another attempt', async () => {
      const callId = await push();
      const first = await one();
      await advance(LEASE_MS - 1);
      expect(await tested.queue.extend(first.lease, LEASE_MS)).toEqual({ kind: 'extended' });
      await advance(LEASE_MS - 1);
      expect(await reserve()).toEqual([]);
      await advance(1);
      const second = await one();
      expect(second).toMatchObject({ attempt: 2, lease: { callId } });
      expect((await tested.queue.get(callId))?.history).toMatchObject([
        { end: 'leaseExpired', holder: 'lb-1', attempt: 1 },
      ]);
      expect((await tested.queue.get(callId))?.failures).toBe(0);
    });

    it.each`
      operation     | act
      ${'extend'}   | ${(lease: Lease) => tested.queue.extend(lease, LEASE_MS)}
      ${'complete'} | ${(lease: Lease) => tested.queue.complete(lease, SUCCESS)}
      ${'retry'}    | ${(lease: Lease) => tested.queue.retry(lease, CRASHED)}
      ${'giveBack'} | ${(lease: Lease) => tested.queue.giveBack(lease)}
      ${'bury'}     | ${(lease: Lease) => tested.queue.bury(lease, { code: 'x', message: '' })}
    `('that another holder has now: $operation is refused and changes nothing', async ({ act }) => {
      const callId = await push();
      const { lease } = await one();
      await advance(LEASE_MS);
      const second = await one();
      const before = await tested.queue.get(callId);
      expect(await act(lease)).toEqual({ kind: 'leaseLost', because: 'expired' });
      expect(await act({ ...second.lease, token: 'x' })).toMatchObject({ kind: 'leaseLost' });
      expect(await act({ callId: 'nobody', token: 'x' })).toEqual({ kind: 'leaseLost', because: 'unknown' });
      expect(await tested.queue.get(callId)).toEqual(before);
      expect(await tested.queue.complete(second.lease, SUCCESS)).toEqual({ kind: 'completed' });
      expect(await act(lease)).toEqual({ kind: 'leaseLost', because: 'ended' });
    });

    it('is in the history of its call when that succeeds at once, and also after another one was given back', async () => {
      const [only, second] = [await push(), await push()];
      for (const { lease } of await reserve({ limit: 2 })) {
        if (lease.callId === only) await tested.queue.complete(lease, SUCCESS);
        else await tested.queue.giveBack(lease);
      }
      for (const { lease } of await reserve()) await tested.queue.complete(lease, SUCCESS);
      const ends = async (callId: string) =>
        (await tested.queue.get(callId))?.history.map(({ attempt, holder, end }) => [attempt, holder, end]);
      expect(await ends(only)).toEqual([[1, 'lb-1', 'completed']]);
      expect((await ends(second))?.map(([, , end]) => end)).toEqual(['givenBack', 'completed']);
    });

    it('may be used to complete a call twice, with the same answer', async () => {
      await push();
      const { lease } = await one();
      await tested.queue.complete(lease, SUCCESS);
      expect(await tested.queue.complete(lease, { ...SUCCESS, head: 'other' })).toEqual({ kind: 'completed' });
      expect(await tested.queue.result(lease.callId)).toMatchObject({ head: SUCCESS.head });
    });

    it('is renewed when the store is opened again, however long that took', async () => {
      await push();
      const { lease } = await one();
      await tested.queue.close();
      await tested.clock.advance(HOUR_MS);
      await tested.open();
      expect(await reserve()).toEqual([]);
      expect(await tested.queue.extend(lease, LEASE_MS)).toEqual({ kind: 'extended' });
      await advance(LEASE_MS);
      expect(await one()).toMatchObject({ attempt: 2 });
    });

    it('survives a kill', async () => {
      await push();
      const { lease } = await one();
      await tested.killAndReopen();
      expect(await tested.queue.complete(lease, SUCCESS)).toEqual({ kind: 'completed' });
    });
  });
}
