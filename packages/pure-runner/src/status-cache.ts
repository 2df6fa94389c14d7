import { type Clock, later, type MonoMs } from '@fnfleet/core';

/** The result of a check, and whether it has been returned before. */
interface Entry<T> {
  readonly result: T;
  readonly freshUntil: MonoMs;
  taken: boolean;
}

/**
 * Caches the result of an expensive check, and shares it among concurrent callers.
 *
 * C1  At most one check runs at a time; concurrent callers wait for it, whatever their input.
 * C2  A result is served to all callers within its lifetime, counted from the end of the check.
 * C3  A check runs to its end even if its callers have gone, and its result is kept.
 */
export class StatusCache<T> {
  private last: Entry<T> | undefined;
  private running: Promise<Entry<T>> | undefined;

  /** @param check must not reject: a failed check is also a result */
  constructor(
    private readonly clock: Clock,
    private readonly lifetimeMs: number,
    private readonly check: (input: string) => Promise<T>,
  ) {}

  /**
   * Returns the result, which is `cached` unless the caller is the first to get it.
   * @throws the signal's reason if it aborts first
   */
  async get(input: string, signal: AbortSignal): Promise<{ readonly result: T; readonly cached: boolean }> {
    signal.throwIfAborted();
    const entry = this.fresh ?? (await orAborted(this.join(input), signal));
    const cached = entry.taken;
    entry.taken = true;
    return { result: entry.result, cached };
  }

  private get fresh(): Entry<T> | undefined {
    return this.last && this.clock.now() < this.last.freshUntil ? this.last : undefined;
  }

  private join(input: string): Promise<Entry<T>> {
    this.running ??= this.run(input);
    return this.running;
  }

  private async run(input: string): Promise<Entry<T>> {
    try {
      const result = await this.check(input);
      this.last = { result, freshUntil: later(this.clock.now(), this.lifetimeMs), taken: false };
      return this.last;
    } finally {
      this.running = undefined;
    }
  }
}

function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
