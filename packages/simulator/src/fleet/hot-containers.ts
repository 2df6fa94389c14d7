/** An idle container, which waits for the next call of its function. */
interface IdleContainer {
  readonly fnId: string;
  readonly memoryMb: number;
  readonly sinceMs: number;
  older: IdleContainer | undefined;
  newer: IdleContainer | undefined;
}

/**
 * The idle containers of one machine. A call gets the most recently used one of its function; eviction removes the
 * least recently used one of any function.
 */
export class HotContainers {
  private readonly byFunction = new Map<string, IdleContainer[]>();
  private oldest: IdleContainer | undefined;
  private newest: IdleContainer | undefined;
  /** Total memory of idle containers. */
  memoryMb = 0;

  constructor(
    private readonly keepAliveMs: number,
    private readonly removed: (fnId: string) => void = () => undefined,
  ) {}

  count(fnId: string): number {
    return this.byFunction.get(fnId)?.length ?? 0;
  }

  put(fnId: string, memoryMb: number, nowMs: number): void {
    const container: IdleContainer = { fnId, memoryMb, sinceMs: nowMs, older: this.newest, newer: undefined };
    if (this.newest === undefined) this.oldest = container;
    else this.newest.newer = container;
    this.newest = container;
    const same = this.byFunction.get(fnId);
    if (same === undefined) this.byFunction.set(fnId, [container]);
    else same.push(container);
    this.memoryMb += memoryMb;
  }

  /** Takes a container of the function. @returns false if there is none */
  take(fnId: string): boolean {
    const container = this.byFunction.get(fnId)?.pop();
    if (container === undefined) return false;
    this.unlink(container);
    return true;
  }

  /** Removes containers that have been idle for too long. */
  expire(nowMs: number): void {
    while (this.oldest !== undefined && nowMs - this.oldest.sinceMs >= this.keepAliveMs) this.dropOldest(this.oldest);
  }

  /** Removes the oldest containers until enough memory is freed, or none is left. */
  free(memoryMb: number): void {
    const target = this.memoryMb - memoryMb;
    while (this.oldest !== undefined && this.memoryMb > target) this.dropOldest(this.oldest);
  }

  private dropOldest(container: IdleContainer): void {
    this.byFunction.get(container.fnId)?.shift();
    this.unlink(container);
    this.removed(container.fnId);
  }

  private unlink(container: IdleContainer): void {
    const { older, newer, fnId } = container;
    if (older === undefined) this.oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.newest = older;
    else newer.older = older;
    this.memoryMb -= container.memoryMb;
    if (this.byFunction.get(fnId)?.length === 0) this.byFunction.delete(fnId);
  }
}
