/** A trigger that moves from one source to another, or keeps its own. */
export interface Move<T> {
  readonly item: T;
  readonly from: string;
  readonly to: string;
}

/**
 * Orders moves so that each takes its source after the current holder has released it.
 * @returns `blocking`: one move of each cycle; the others are in an order that works once these have released theirs
 */
export function bySource<T>(moves: readonly Move<T>[]): {
  readonly ordered: readonly T[];
  readonly blocking: readonly T[];
} {
  const ordered: T[] = [];
  const blocking: T[] = [];
  let waiting = moves;
  while (waiting.length > 0) {
    const held = new Set(waiting.map(({ from }) => from));
    const free = new Set(waiting.filter(({ from, to }) => from === to || !held.has(to)));
    const [first] = waiting;
    if (free.size === 0 && first !== undefined) blocking.push(first.item);
    else ordered.push(...[...free].map(({ item }) => item));
    waiting = waiting.filter((move) => !free.has(move) && (free.size > 0 || move !== first));
  }
  return { ordered, blocking };
}
