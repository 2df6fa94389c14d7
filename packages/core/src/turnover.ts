/** Removed entries after which a small table is replaced; a large one is replaced after losing twice its size. */
const MIN_REMOVED = 64;

/**
 * A Map for entries that come and go like calls.
 *
 * V8 allocates a new table whenever the current one is full of removed entries, and every old table points to the next. Once
 * one of them is in the old generation, each young-generation collection keeps all later tables alive, and with them all
 * entries they ever held: everything is promoted and waits for a full collection. On a busy node this is most of the garbage
 * and causes collections of tens of milliseconds. Therefore a new Map takes over now and then, to which no old table points.
 *
 * T1  Keeps insertion order, as a Map does.
 * T2  An iteration may remove entries. One that also adds entries may continue over the old ones.
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
    // Not while removing an entry, because of T2.
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
