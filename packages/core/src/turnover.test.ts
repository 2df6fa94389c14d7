// takes: 4 s
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { TurnoverMap, TurnoverSet } from './turnover.js';

/** Bytes that survived young-generation collections. */
function oldBytes(): number {
  const old = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space');
  return old?.space_used_size ?? 0;
}

function collectAll(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
}

interface Item {
  readonly id: number;
  readonly payload: readonly number[];
}

const CALLS = 100_000;
const PAYLOAD = 100;
const AT_A_TIME = 8;

/** Adds and removes entries, a few at a time. Resolves with the number of bytes that were promoted. */
function promotedBy(add: (item: Item) => void, remove: (item: Item) => void): number {
  const present: Item[] = [];
  const turn = (from: number, to: number) => {
    for (let id = from; id < to; id += 1) {
      const item = { id, payload: new Array<number>(PAYLOAD).fill(id) };
      add(item);
      present.push(item);
      if (present.length > AT_A_TIME) remove(present.shift() as Item);
    }
  };
  turn(0, 1000);
  collectAll();
  const before = oldBytes();
  turn(1000, CALLS);
  return oldBytes() - before;
}

describe('entries that come and go', () => {
  const all = CALLS * PAYLOAD * 4;

  it('are not promoted in a TurnoverMap', () => {
    const map = new TurnoverMap<number, Item>();
    const promoted = promotedBy(
      (item) => map.set(item.id, item),
      ({ id }) => map.delete(id),
    );
    expect(promoted).toBeLessThan(all / 10);
  });

  it('are not promoted in a TurnoverSet', () => {
    const set = new TurnoverSet<Item>();
    const promoted = promotedBy(
      (item) => set.add(item),
      (item) => set.delete(item),
    );
    expect(promoted).toBeLessThan(all / 10);
  });

  it('keep their order, however often others are removed', () => {
    const map = new TurnoverMap<number, string>();
    const set = new TurnoverSet<number>();
    for (let i = 0; i < 1000; i += 1) {
      map.set(i, `${i}`);
      set.add(i);
      if (i % 100 !== 0) expect([map.delete(i), set.delete(i)]).toEqual([true, true]);
    }
    const kept = [0, 100, 200, 300, 400, 500, 600, 700, 800, 900];
    expect([[...map.keys()], [...set], [...set.values()]]).toEqual([kept, kept, kept]);
    expect([...map]).toEqual(kept.map((i) => [i, `${i}`]));
    expect([...map.values()]).toEqual(kept.map(String));
    expect([map.size, set.size, map.has(100), set.has(100), map.get(100)]).toEqual([10, 10, true, true, '100']);
    expect([map.delete(1), set.delete(1), map.has(1), set.has(1), map.get(1)]).toEqual([
      false,
      false,
      false,
      false,
      undefined,
    ]);
  });

  it('can be removed during an iteration', () => {
    const set = new TurnoverSet<number>();
    for (let i = 0; i < 300; i += 1) set.add(i);
    const seen: number[] = [];
    for (const value of set) {
      seen.push(value);
      set.delete(value);
      set.delete(value + 1);
    }
    expect([seen.length, set.size]).toEqual([150, 0]);
  });

  it('are gone after clear', () => {
    const map = new TurnoverMap<number, number>().set(1, 1);
    const set = new TurnoverSet<number>().add(1);
    map.clear();
    set.clear();
    expect([map.size, set.size, [...map], [...set]]).toEqual([0, 0, [], []]);
  });
});
