import { HOUR_MS, ids, type TestedQueue } from '../tested-queue.js';

/** Reservations that name the functions of which their holder has enough. */
export function describeChoosyHolders(tested: TestedQueue): void {
  const { push, reserve, one, advance } = tested;

  describe('a holder that wants only some calls of each function', () => {
    it('gets no more of them, those that it has included, and all that there are of others', async () => {
      for (const fnId of ['hangs', 'hangs', 'hangs', 'hangs', 'a', 'b']) await push({ fnId });
      const count = async (held: Record<string, number>) => {
        const found = await reserve({ limit: 10, perFunction: 2, held: new Map(Object.entries(held)) });
        return found.map(({ fnId }) => fnId).sort();
      };
      expect(await count({ hangs: 1, a: 1, b: 2 })).toEqual(['a', 'hangs']);
      expect(await count({ hangs: 2 })).toEqual(['b']);
      expect(await count({ hangs: 5 })).toEqual([]);
      expect(await count({})).toEqual(['hangs', 'hangs']);
      expect((await reserve({ limit: 10 })).map(({ fnId }) => fnId)).toEqual(['hangs']);
    });

    it('does not take the turn of the others away', async () => {
      for (const fnId of ['hangs', 'a', 'b', 'hangs', 'a', 'b']) await push({ fnId });
      const others = await reserve({ limit: 1, perFunction: 1, held: new Map([['hangs', 1]]) });
      expect(others.map(({ fnId }) => fnId)).toEqual(['a']);
      expect((await one()).fnId).toBe('hangs');
    });

    it('passes over functions of a higher priority, and does not wait for their rate', async () => {
      await push({ fnId: 'hangs', priority: 2, limits: { rate: { calls: 1, perMs: 1_000 } } });
      await push({ fnId: 'a' });
      const wanted = { limit: 2, perFunction: 1, held: new Map([['hangs', 1]]) };
      expect((await reserve(wanted)).map(({ fnId }) => fnId)).toEqual(['a']);
      const waiting = reserve({ ...wanted, waitMs: 5_000 });
      await advance(5_000);
      expect(await waiting).toEqual([]);
    });

    it('does not keep calls from others that wait', async () => {
      const held = new Map([['hangs', 1]]);
      const choosy = [1, 2, 3].map(() => reserve({ perFunction: 1, held, waitMs: HOUR_MS }));
      await advance(1);
      const other = reserve({ waitMs: HOUR_MS });
      await advance(1);
      const callId = await push({ fnId: 'hangs' });
      expect(ids(await other)).toEqual([callId]);
      for (const fnId of ['a', 'b', 'c']) await push({ fnId });
      expect(
        (await Promise.all(choosy))
          .flat()
          .map(({ fnId }) => fnId)
          .sort(),
      ).toEqual(['a', 'b', 'c']);
    });
  });
}
