import type { NewMessage } from '../../message-queue.js';
import { CRASHED, HOUR_MS, ids, POLICY, type TestedQueue } from '../tested-queue.js';

/** Calls that ended without success. */
export function describeDeadLetters(tested: TestedQueue): void {
  const { push, reserve, one, bury, advance, passFourMinutes, state, reopen } = tested;

  describe('dead letters', () => {
    const die = async (message: Partial<NewMessage> = {}) => {
      const callId = await push(message);
      await tested.queue.bury((await one()).lease, { code: 'functionFailed', message: 'x'.repeat(5_000) });
      return callId;
    };

    it('are listed, and show their reason, history and what was sent', async () => {
      const callId = await die({ head: '{"h":1}', body: Buffer.from('sent') });
      const { calls } = await tested.queue.list({ state: 'dead', limit: 10 });
      expect(calls.map((call) => call.callId)).toEqual([callId]);
      const call = await tested.queue.get(callId);
      expect(call?.reason?.message).toHaveLength(2_000);
      expect(call?.history).toMatchObject([{ end: 'dead', attempt: 1, reason: { code: 'functionFailed' } }]);
      const payload = await tested.queue.payload(callId);
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
      expect(await tested.queue.redrive(act)).toBe(which.length);
      const again = await reserve({ limit: 10 });
      expect(ids(again).sort()).toEqual(which);
      for (const { attempt, lease } of again) {
        expect(attempt).toBe(2);
        await tested.queue.bury(lease, { code: 'again', message: '' });
      }
      expect(await tested.queue.purge(act)).toBe(which.length);
      for (const callId of which) expect(await tested.queue.get(callId)).toBeUndefined();
      expect((await tested.queue.stats()).dead).toBe(3 - which.length);
      expect(await state(alive)).toBe('delayed');
    });

    it('that are many are redriven and purged in portions', async () => {
      for (let n = 0; n < 5; n += 1) {
        await Promise.all(Array.from({ length: 100 }, () => push({ policy: { ...POLICY, attempts: 1 } })));
      }
      const fail = async () => {
        const deliveries = await reserve({ limit: 1_000 });
        await Promise.all(deliveries.map(({ lease }) => tested.queue.retry(lease, CRASHED)));
        return deliveries.length;
      };
      expect(await fail()).toBe(500);
      expect(await tested.queue.redrive({ all: true })).toBe(500);
      expect(await fail()).toBe(500);
      expect(await tested.queue.purge({ all: true })).toBe(500);
      expect(await tested.queue.stats()).toMatchObject({ dead: 0, ready: 0 });
    });

    it('may have run as often as a call can: redriven, they begin with the first attempt', async () => {
      const policy = { ...POLICY, attempts: 100, backoffMs: 0 };
      const callId = await push({ policy });
      for (let attempt = 1; attempt <= 100; attempt += 1) await tested.queue.retry((await one()).lease, CRASHED);
      expect(await tested.queue.get(callId)).toMatchObject({ state: 'dead', attempts: 100 });
      expect(await tested.queue.redrive({ callId })).toBe(1);
      const { attempt, lease } = await one();
      expect(attempt).toBe(1);
      expect(await tested.queue.retry(lease, CRASHED)).toMatchObject({ kind: 'retried' });
    });

    it('have their full age again when they are redriven', async () => {
      const callId = await push({ maxAgeMs: 1_000 });
      await advance(1_000);
      await tested.queue.redrive({ callId });
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
        await tested.queue.redrive({ callId });
        await bury(await one());
      }
      await advance(HOUR_MS - 120_000);
      expect(await state(callId)).toBe('dead');
      await passFourMinutes();
      expect(await state(callId)).toBeUndefined();
      expect((await tested.queue.stats()).dead).toBe(0);
    });
  });
}
