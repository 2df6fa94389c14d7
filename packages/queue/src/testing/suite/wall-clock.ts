import { epochMs } from '@fnfleet/core';
import { DAY_MS, HOUR_MS, LEASE_MS, type TestedQueue } from '../tested-queue.js';

/** That the wall clock decides nothing. */
export function describeWallClock(tested: TestedQueue): void {
  const { push, one, advance, state } = tested;

  describe('a wall clock that is set', () => {
    it.each([-DAY_MS, DAY_MS, 3_650 * DAY_MS])(
      'by %i ms: nothing is delivered early, late or twice',
      async (stepMs) => {
        const delayed = await push({ delayMs: 10_000 });
        const aging = await push({ maxAgeMs: HOUR_MS });
        const { lease } = await one();
        const waits = await push({ maxAgeMs: HOUR_MS });
        tested.clock.stepWall(stepMs);
        await advance(9_999);
        expect([await state(delayed), await state(waits)]).toEqual(['delayed', 'ready']);
        expect(await tested.queue.extend(lease, LEASE_MS)).toEqual({ kind: 'extended' });
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
        await tested.queue.close();
        tested.clock.stepWall(stepMs);
        await tested.open();
        await advance(HOUR_MS);
        expect([await state(callId), await state(delayed)]).toEqual(['ready', 'delayed']);
        // And time goes on.
        await advance(2 * DAY_MS);
        expect([await state(callId), await state(delayed)]).toEqual(['dead', 'ready']);
        expect(epochMs(tested.clock.wallNow())).toBeGreaterThan(0);
      },
    );

    it('counts the time between two processes', async () => {
      const callId = await push({ delayMs: HOUR_MS });
      await tested.queue.close();
      await tested.clock.advance(HOUR_MS);
      await tested.open();
      await advance(0);
      expect(await state(callId)).toBe('ready');
    });

    it('counts the idle time before a kill', async () => {
      const callId = await push({ delayMs: 3 * DAY_MS });
      for (let hours = 0; hours < 70; hours += 1) await advance(HOUR_MS);
      await tested.killAndReopen();
      await advance(2 * HOUR_MS - 60_000);
      expect(await state(callId)).toBe('delayed');
      await advance(120_000);
      expect(await state(callId)).toBe('ready');
    });
  });
}
