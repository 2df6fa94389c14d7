import { FunctionShares } from './function-shares.js';

/** Takes all that the shares want of functions whose calls never end, as a queue that has enough of each gives it. */
function fill(shares: FunctionShares, fnIds: readonly string[]): Map<string, number> {
  const all = new Map<string, number>();
  for (;;) {
    if (shares.free === 0) return all;
    const { limit, perFunction, held } = shares.wanted();
    const has = new Map(held);
    let taken = 0;
    for (let found = true; found && taken < limit; ) {
      found = false;
      for (const fnId of fnIds) {
        const count = has.get(fnId) ?? 0;
        if (taken === limit || count >= perFunction) continue;
        has.set(fnId, count + 1);
        all.set(fnId, (all.get(fnId) ?? 0) + 1);
        shares.begin(fnId);
        taken += 1;
        found = true;
      }
    }
    if (taken === 0) return all;
  }
}

const names = (count: number) => Array.from({ length: count }, (_, at) => `f${at}`);

it.each`
  limit    | functions | most   | free
  ${16}    | ${1}      | ${10}  | ${6}
  ${16}    | ${2}      | ${7}   | ${5}
  ${16}    | ${3}      | ${5}   | ${5}
  ${16}    | ${10}     | ${4}   | ${1}
  ${16}    | ${16}     | ${4}   | ${0}
  ${1}     | ${1}      | ${1}   | ${0}
  ${2}     | ${1}      | ${1}   | ${1}
  ${4}     | ${1}      | ${2}   | ${2}
  ${1_000} | ${1}      | ${656} | ${344}
`('of $limit calls, $functions functions that hang leave $free free', ({ limit, functions, most, free }) => {
  const shares = new FunctionShares(limit);
  const taken = fill(shares, names(functions));
  expect([Math.max(...taken.values()), shares.free]).toEqual([most, free]);
});

it('functions that hang, one after the other, leave one call free until they are a quarter and more', () => {
  for (let limit = 2; limit <= 200; limit += 1) {
    const shares = new FunctionShares(limit);
    for (let hanging = 1; hanging <= Math.max(1, limit / 4); hanging += 1) {
      fill(shares, names(hanging));
      expect([limit, hanging, shares.free >= 1]).toEqual([limit, hanging, true]);
    }
  }
});

it('a function that is wanted again makes what was asked outdated', () => {
  const shares = new FunctionShares(4);
  fill(shares, ['f']);
  const wanted = shares.wanted();
  expect(wanted).toEqual({ limit: 2, perFunction: 1, held: new Map([['f', 2]]) });
  expect(shares.isOutdated(wanted)).toBe(false);
  shares.begin('g');
  expect(shares.isOutdated(wanted)).toBe(false);
  shares.end('g');
  shares.end('f');
  expect(shares.isOutdated(wanted)).toBe(true);
});

it('a function gets what is wanted ahead of it, whatever it has, and others as if nothing was', () => {
  const shares = new FunctionShares(16);
  fill(shares, ['quick']);
  const now = shares.wanted();
  expect(now).toEqual({ limit: 1, perFunction: 8, held: new Map([['quick', 10]]) });
  const ahead = new Map(Object.entries({ quick: 20, slow: -1 }));
  // 20 more of `quick`; of another function as many as without.
  expect(shares.wanted(ahead)).toEqual({
    limit: 20,
    perFunction: 8,
    held: new Map(Object.entries({ quick: -12, slow: 1 })),
  });
});

it.each([1, 2, 4, 16, 64])('of %i calls, a function may start as many as it may have', (limit) => {
  const shares = new FunctionShares(limit);
  fill(shares, ['f']);
  expect(shares.admits('f')).toBe(false);
  expect(shares.admits('g')).toBe(shares.free > 0);
  shares.end('f');
  expect(shares.admits('f')).toBe(true);
});

it('names a thousand functions at most, and those that have most calls', () => {
  const shares = new FunctionShares(10_000);
  for (const fnId of names(1_500)) shares.begin(fnId);
  shares.begin('f1400');
  const { held } = shares.wanted();
  expect(held.size).toBe(1_000);
  expect(held.get('f1400')).toBe(2);
});
