import type { Failure } from '../../retry-policy.js';
import { CRASHED, DAY_MS, ids, LEASE_MS, LOST, POLICY, SUCCESS, type TestedQueue } from '../tested-queue.js';

/** What becomes of a call whose attempt failed. */
export function describeFailingCalls(tested: TestedQueue): void {
  const { push, reserve, one, advance, state, reopen } = tested;

  describe('a call that fails', () => {
    it('is run again after a back-off that doubles, and is dead after its last attempt', async () => {
      const callId = await push({ policy: { ...POLICY, attempts: 4 } });
      for (const backoffMs of [1_000, 2_000, 4_000]) {
        const answer = await tested.queue.retry((await one()).lease, CRASHED);
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
      expect(await tested.queue.retry(last.lease, CRASHED)).toEqual({ kind: 'dead', reason });
      expect(await tested.queue.get(callId)).toMatchObject({ state: 'dead', failures: 4, attempts: 4, reason });
    });

    it('because of the platform is run again without being counted', async () => {
      const callId = await push();
      for (let attempt = 1; attempt <= 5; attempt += 1) {
        const delivery = await one();
        expect(delivery.attempt).toBe(attempt);
        expect(await tested.queue.retry(delivery.lease, LOST)).toMatchObject({ kind: 'retried' });
        await advance(10_000);
      }
      expect(await tested.queue.get(callId)).toMatchObject({ failures: 0, attempts: 5 });
    });

    it('that was given back is not counted, and the next attempt has the same number', async () => {
      const callId = await push();
      await tested.queue.giveBack((await one()).lease);
      expect((await one()).attempt).toBe(1);
      expect(await tested.queue.get(callId)).toMatchObject({ attempts: 1, failures: 0 });
    });

    it('in a way that its policy does not retry is dead at once', async () => {
      const callId = await push();
      const refused: Failure = { kind: 'caller', code: 'resourceTooBig', message: 'no' };
      expect(await tested.queue.retry((await one()).lease, refused)).toMatchObject({ kind: 'dead' });
      expect(await state(callId)).toBe('dead');
    });

    it('waits as long as the function asks for', async () => {
      await push();
      expect(await tested.queue.retry((await one()).lease, { ...CRASHED, afterMs: 60_000 })).toEqual({
        kind: 'retried',
        delayMs: 60_000,
      });
    });

    it('waits a day at most, whatever a runner or a balancer asks for, and others are served meanwhile', async () => {
      const patient = await push();
      const { lease } = await one();
      await push({ delayMs: 100 });
      const answer = await tested.queue.retry(lease, { ...LOST, afterMs: Number.MAX_SAFE_INTEGER });
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
        expect(await tested.queue.retry((await one()).lease, LOST)).toMatchObject({ kind: 'retried' });
        await advance(10_000);
      }
      expect(await tested.queue.retry((await one()).lease, LOST)).toMatchObject({ kind: 'dead' });
      expect(await tested.queue.get(callId)).toMatchObject({ state: 'dead', attempts: 100, failures: 0 });
    });

    it('shows its failures also after a long outage in which it was given back many times', async () => {
      const policy = { ...POLICY, attempts: 50 };
      const callId = await push({ policy });
      const fail = async (times: number) => {
        for (let n = 0; n < times; n += 1) {
          await tested.queue.retry((await one()).lease, CRASHED);
          await advance(10_000);
        }
      };
      const wait = async (times: number) => {
        for (let n = 0; n < times; n += 1) {
          await tested.queue.giveBack((await one()).lease);
          await advance(1_000);
        }
      };
      const history = async () => {
        const past = (await tested.queue.get(callId))?.history ?? [];
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
      await tested.queue.complete((await one()).lease, SUCCESS);
      expect(await history()).toEqual([...failures(5, 23), '24 completed']);
    });

    it('that kills its holder each time is dead after 100 attempts', async () => {
      const callId = await push();
      for (let attempt = 1; attempt <= 100; attempt += 1) {
        expect((await one()).attempt).toBe(attempt);
        await advance(LEASE_MS);
      }
      expect(await tested.queue.get(callId)).toMatchObject({ state: 'dead', reason: { code: 'tooManyDeliveries' } });
      expect((await tested.queue.get(callId))?.history.map(({ attempt }) => attempt)).toEqual(
        Array.from({ length: 20 }, (_, at) => 81 + at),
      );
      await tested.queue.redrive({ callId });
      expect(ids(await reserve())).toEqual([callId]);
    });
  });
}
