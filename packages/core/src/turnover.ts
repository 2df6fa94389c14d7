/** Removed entries after which a small table is given up; a large one, when it has lost twice what it holds. */
const MIN_REMOVED = 64;

/**
 * A Map for entries that come and go as calls do.
 *
 * V8 gives a Map a new table whenever the one it has is full of removed entries, and every old table points to the next. Once
 * one of them is in the old generation, each collection of the young generation keeps all tables after it, and with them
 * whatever they held: all that was ever in the Map is promoted, and waits for a full collection. That is most of the garbage
 * of a busy node, and collections that take tens of milliseconds. So a whole new Map takes over now and then, to which no old
 * table points.
 *
 * T1  Keeps the order of insertion, as a Map does.
 * T2  An iteration may remove entries. One that also adds some may go on over those of before.
 */
export class TurnoverMap<K, V> {
  private map = new Map<K, V>();
  private removed = 0;

  get size(): number {
    return this.map.size;
  }

  get(key: K): V | undefined {
    return this.map.get(key);
  }

  has(key: K): boolean {
    return this.map.has(key);
  }

  set(key: K, value: V): this {
    // Not when an entry is removed: T2.
    if (this.removed >= MIN_REMOVED && this.removed >= 2 * this.map.size) this.renew();
    this.map.set(key, value);
    return this;
  }

  delete(key: K): boolean {
    const found = this.map.delete(key);
    if (found) this.removed += 1;
    return found;
  }

  clear(): void {
    this.map = new Map();
    this.removed = 0;
  }

  keys(): MapIterator<K> {
    return this.map.keys();
  }

  values(): MapIterator<V> {
    return this.map.values();
  }

  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.map[Symbol.iterator]();
  }

  private renew(): void {
    this.map = new Map(this.map);
    this.removed = 0;
  }
}

/** The same for a Set. */
export class TurnoverSet<T> {
  private readonly map = new TurnoverMap<T, undefined>();

  get size(): number {
    return this.map.size;
  }

  has(value: T): boolean {
    return this.map.has(value);
  }

  add(value: T): this {
    this.map.set(value, undefined);
    return this;
  }

  delete(value: T): boolean {
    return this.map.delete(value);
  }

  clear(): void {
    this.map.clear();
  }

  values(): MapIterator<T> {
    return this.map.keys();
  }

  [Symbol.iterator](): MapIterator<T> {
    return this.map.keys();
  }
}
