import type { Lease } from '../../message-queue.js';
import { HOUR_MS, LEASE_MS, SUCCESS, type TestedQueue } from '../tested-queue.js';

/** What ends a reservation that found nothing. */
export function describeWaitingReservations(tested: TestedQueue): void {
  const { push, reserve, one, bury, advance } = tested;

  describe('a reservation that waits', () => {
    it('ends empty after its time, and when the queue is closed', async () => {
      const waiting = reserve({ waitMs: 1_000 });
      await advance(1_000);
      expect(await waiting).toEqual([]);
      const other = reserve({ waitMs: HOUR_MS });
      await advance(1);
      await tested.queue.close();
      expect(await other).toEqual([]);
    });

    it.each`
      what                    | prepare                              | act
      ${'a push'}             | ${() => undefined}                   | ${() => push()}
      ${'the end of a delay'} | ${() => push({ delayMs: 100 })}      | ${() => advance(100)}
      ${'an expired lease'}   | ${() => push().then(one)}            | ${() => advance(LEASE_MS)}
      ${'a redrive'}          | ${() => push().then(one).then(bury)} | ${() => tested.queue.redrive({ all: true })}
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
      ${'completed'}  | ${(lease: Lease) => tested.queue.complete(lease, SUCCESS)}
      ${'given back'} | ${(lease: Lease) => tested.queue.giveBack(lease)}
      ${'cancelled'}  | ${({ callId }: Lease) => tested.queue.cancel(callId)}
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
      const waiting = tested.queue.reserve(
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
        const waiting = tested.queue.reserve(
          { holder: 'gone', limit: 1, leaseMs: LEASE_MS, waitMs: HOUR_MS },
          controller.signal,
        );
        if (why === 'the queue closes') await tested.queue.close();
        else controller.abort();
        expect(await waiting).toEqual([]);
      },
    );
  });
}
