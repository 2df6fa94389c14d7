import { later } from '@fnfleet/core';
import type { Delivery, MessageQueue } from '../../message-queue.js';
import { CRASHED, HOUR_MS, LOST, SUCCESS, type TestedQueue } from '../tested-queue.js';

/** What a queue shows of its calls. */
export function describeRecords(tested: TestedQueue): void {
  const { push, reserve, one, bury, advance, passFourMinutes, state, reopen } = tested;

  describe('what is known of a call', () => {
    it('is its whole story, with the times of the wall clock', async () => {
      const start = tested.clock.wallNow();
      const callId = await push({ priority: 1 });
      await advance(100);
      const first = await one();
      await advance(50);
      await tested.queue.retry(first.lease, LOST);
      await advance(10_000);
      const second = await one();
      await advance(200);
      await tested.queue.complete(second.lease, SUCCESS);
      const at = (ms: number) => later(start, ms);
      expect(await tested.queue.get(callId)).toEqual({
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
      expect(await tested.queue.payload(callId)).toBeUndefined();
    });

    it('includes when it becomes ready, also after the wall clock was set', async () => {
      const callId = await push({ delayMs: 5_000 });
      await advance(1_000);
      tested.clock.stepWall(HOUR_MS);
      expect((await tested.queue.get(callId))?.nextAt).toBe(later(tested.clock.wallNow(), 4_000));
      await advance(4_000);
      const { lease } = await one();
      expect((await tested.queue.get(callId))?.nextAt).toBeUndefined();
      const answer = await tested.queue.retry(lease, CRASHED);
      const { delayMs } = answer as { readonly delayMs: number };
      expect((await tested.queue.get(callId))?.nextAt).toBe(later(tested.clock.wallNow(), delayMs));
    });

    it('includes the first bytes of its result', async () => {
      await reopen({ maxResultBytes: 4 });
      const callId = await push();
      expect(await tested.queue.result(callId)).toBeUndefined();
      await tested.queue.complete((await one()).lease, { head: '{}', body: Buffer.from('0123456789') });
      const result = await tested.queue.result(callId);
      expect([result?.head, Buffer.from(result?.body ?? []).toString(), result?.bodyBytes]).toEqual(['{}', '0123', 10]);
    });

    it('includes the log of its last attempt that had one', async () => {
      await reopen({ maxResultBytes: 8 });
      const callId = await push();
      expect(await tested.queue.log(callId)).toBeUndefined();
      await tested.queue.retry((await one()).lease, { ...CRASHED, log: 'first' });
      await advance(1_000);
      expect(await tested.queue.log(callId)).toBe('first');
      await tested.queue.complete((await one()).lease, { ...SUCCESS, log: 'second and last' });
      expect(await tested.queue.log(callId)).toBe('second a');
    });

    it('is forgotten after its time, or when too many have ended', async () => {
      await reopen({ keepMs: HOUR_MS, maxRecords: 2 });
      const calls = [await push(), await push(), await push()];
      for (const _ of calls) {
        await tested.queue.complete((await one()).lease, SUCCESS);
        await advance(1);
      }
      await passFourMinutes();
      expect(await Promise.all(calls.map(state))).toEqual([undefined, 'success', 'success']);
      await advance(HOUR_MS);
      await passFourMinutes();
      expect(await Promise.all(calls.map(state))).toEqual([undefined, undefined, undefined]);
      expect((await tested.queue.stats()).ended).toBe(0);
      expect(await tested.queue.result(calls[2] as string)).toBeUndefined();
    });

    it('is kept for ever if the operator wants that', async () => {
      const ever = Number.MAX_SAFE_INTEGER;
      await reopen({ keepMs: ever, keepDeadMs: ever, keepKeyMs: ever });
      const [first, second] = [await push({ idempotencyKey: 'k' }), await push()];
      await tested.queue.complete((await one()).lease, SUCCESS);
      await bury(await one());
      await reopen({ keepMs: ever, keepDeadMs: ever, keepKeyMs: ever });
      expect((await tested.queue.list({ limit: 10 })).calls.map(({ state }) => state)).toEqual(['dead', 'success']);
      expect(await push({ idempotencyKey: 'k', callId: 'again' })).toBe('again');
      expect(await tested.queue.redrive({ callId: second })).toBe(1);
      expect(await state(first)).toBe('success');
      expect(await state('again')).toBeUndefined();
    });

    it('is listed by function, state and time of acceptance, newest first, page by page', async () => {
      const all: string[] = [];
      for (let n = 0; n < 9; n += 1) {
        all.push(await push({ fnId: n % 3 === 0 ? 'g' : 'f' }));
        await advance(1_000);
      }
      await tested.queue.cancel(all[4] as string);
      const found = async (query: Partial<Parameters<MessageQueue['list']>[0]>) => {
        const calls: string[] = [];
        let cursor: string | undefined;
        do {
          const page = await tested.queue.list({ limit: 2, cursor, ...query });
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
      const third = (await tested.queue.get(all[3] as string))?.acceptedAt;
      expect(await found({ since: third })).toEqual([8, 7, 6, 5, 4, 3]);
      expect(await found({ until: third, fnId: 'f' })).toEqual([2, 1]);
    });

    it('is counted', async () => {
      expect(await tested.queue.stats()).toMatchObject({ ready: 0, oldestAgeMs: undefined, functions: [] });
      await push({ fnId: 'a' });
      await advance(5_000);
      for (let n = 0; n < 3; n += 1) await push({ fnId: 'b' });
      await push({ fnId: 'b', delayMs: HOUR_MS });
      await advance(1_000);
      const [first, second] = await reserve({ limit: 2 });
      await tested.queue.bury((second as Delivery).lease, { code: 'x', message: '' });
      expect(first?.fnId).toBe('a');
      const counted = {
        ...{ ready: 2, delayed: 1, running: 1, dead: 1, ended: 0, oldestAgeMs: 1_000 },
        functions: [
          { fnId: 'b', ready: 2, delayed: 1, running: 0, dead: 1 },
          { fnId: 'a', ready: 0, delayed: 0, running: 1, dead: 0 },
        ],
      };
      expect(await tested.queue.stats()).toMatchObject(counted);
      await reopen();
      expect(await tested.queue.stats()).toMatchObject(counted);
    });

    it('is told to listeners until they unsubscribe', async () => {
      const told: unknown[] = [];
      const unsubscribe = tested.queue.subscribe((event) => told.push(event));
      const callId = await push();
      const { lease } = await one();
      await tested.queue.complete(lease, SUCCESS);
      await tested.queue.stats();
      unsubscribe();
      await push();
      expect(told).toContainEqual({ kind: 'ready' });
      expect(told).toContainEqual({ kind: 'ended', callId, state: 'success' });
      expect(told.filter((event) => (event as { kind: string }).kind === 'ended')).toHaveLength(1);
    });
  });
}
