import { CRASHED, HOUR_MS, ids, LEASE_MS, SUCCESS, type TestedQueue } from '../tested-queue.js';

/** Calls that are not wanted any more. */
export function describeWithdrawnCalls(tested: TestedQueue): void {
  const { push, reserve, one, advance, state, reopen } = tested;

  describe('cancelling', () => {
    it.each(['ready', 'delayed'] as const)('a %s call: it never starts', async (kind) => {
      const callId = await push(kind === 'delayed' ? { delayMs: 10 } : {});
      expect(await state(callId)).toBe(kind);
      expect(await tested.queue.cancel(callId)).toEqual({ kind: 'cancelled' });
      await advance(10);
      expect(await reserve()).toEqual([]);
      expect(await state(callId)).toBe('cancelled');
    });

    it('a running call: its holder learns it, and cannot complete it', async () => {
      const callId = await push();
      const { lease } = await one();
      expect(await tested.queue.cancel(callId)).toEqual({ kind: 'cancelled' });
      expect(await tested.queue.extend(lease, LEASE_MS)).toEqual({ kind: 'leaseLost', because: 'cancelled' });
      expect(await tested.queue.complete(lease, SUCCESS)).toEqual({ kind: 'leaseLost', because: 'cancelled' });
      await advance(LEASE_MS);
      expect(await state(callId)).toBe('cancelled');
    });

    it('a call that has ended, or that nobody knows, changes nothing', async () => {
      const callId = await push();
      await tested.queue.complete((await one()).lease, SUCCESS);
      expect(await tested.queue.cancel(callId)).toEqual({ kind: 'ended', status: 'success' });
      expect(await tested.queue.cancel('nobody')).toEqual({ kind: 'notFound' });
      expect(await state(callId)).toBe('success');
    });
  });

  it('ends the waiting calls of a deleted function as dead, and those that come back', async () => {
    const running = await push();
    const { lease } = await one();
    const many = await Promise.all(Array.from({ length: 450 }, () => push()));
    const delayed = await push({ delayMs: HOUR_MS });
    const other = await push({ fnId: 'other' });
    await tested.queue.buryFunction('f', { code: 'fnNotFound', message: 'the function was deleted' });
    expect(ids(await reserve({ limit: 100 }))).toEqual([other]);
    for (let portion = 0; portion < 5; portion += 1) await advance(10);
    expect(await tested.queue.stats()).toMatchObject({ ready: 0, delayed: 0, running: 2, dead: 451 });
    for (const callId of [many[0], many[449], delayed] as string[]) {
      expect(await tested.queue.get(callId)).toMatchObject({ state: 'dead', reason: { code: 'fnNotFound' } });
    }
    await tested.queue.retry(lease, CRASHED);
    await reopen();
    await advance(10);
    expect(await state(running)).toBe('dead');
  });
}
