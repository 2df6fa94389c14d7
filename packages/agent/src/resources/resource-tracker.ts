import { count, countFromZero, FnError, TurnoverSet } from '@fnfleet/core';

/** The resources that a container occupies from its launch until its removal, idle or not. */
export interface Resources {
  readonly memoryBytes: number;
  readonly cpuMillis: number;
}

export interface ResourceToken {
  readonly resources: Resources;
  /** Idempotent, so a `finally` may always call it. */
  release(): void;
  /** The owner is about to release the token. From now on `shortage` counts on it. Idempotent. */
  announceRelease(): void;
}

/**
 * Hands out this machine's memory and CPU.
 *
 * R1  Waiting requests are served strictly in order of arrival.
 * R2  A token returns exactly what it took, once.
 * R3  An empty request is always granted at once.
 */
export class ResourceTracker {
  private memoryUsed = 0;
  private cpuUsed = 0;
  /** What announced tokens will release. */
  private memoryComing = 0;
  private cpuComing = 0;
  private readonly queue = new TurnoverSet<Waiter>();
  /** Called after each change while a request still waits. */
  onStarved: (() => void) | undefined;

  constructor(readonly totals: Resources) {
    count('util_mem_avail', totals.memoryBytes);
    count('util_cpu_avail', totals.cpuMillis);
    countFromZero('util_mem_used');
    countFromZero('util_cpu_used');
  }

  get used(): Resources {
    return { memoryBytes: this.memoryUsed, cpuMillis: this.cpuUsed };
  }

  get waiting(): number {
    return this.queue.size;
  }

  /** Removes the totals from the gauges. All tokens must have been released. */
  close(): void {
    count('util_mem_avail', -this.totals.memoryBytes);
    count('util_cpu_avail', -this.totals.cpuMillis);
  }

  /** Whether the request could be granted if nothing else ran. */
  isPossible(need: Resources): boolean {
    return need.memoryBytes <= this.totals.memoryBytes && need.cpuMillis <= this.totals.cpuMillis;
  }

  /** Reserves resources without waiting; undefined if there are not enough. */
  tryReserve(need: Resources): ResourceToken | undefined {
    if (isNothing(need)) return this.take(need);
    return this.queue.size === 0 && this.fits(need) ? this.take(need) : undefined;
  }

  /**
   * Waits for resources.
   * @throws FnError `resourceTooBig` at once if waiting could never help; the signal's reason on abort
   */
  reserve(need: Resources, signal: AbortSignal): Promise<ResourceToken> {
    if (!this.isPossible(need)) return Promise.reject(new FnError('resourceTooBig'));
    if (signal.aborted) return Promise.reject(signal.reason);
    const token = this.tryReserve(need);
    if (token) return Promise.resolve(token);
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.queue.delete(waiter);
        reject(signal.reason);
        // It may have blocked smaller requests behind it.
        this.serveQueue();
      };
      const waiter: Waiter = {
        need,
        grant: (granted) => {
          signal.removeEventListener('abort', onAbort);
          resolve(granted);
        },
      };
      this.queue.add(waiter);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** What is missing for this request and all waiting ones, beyond announced releases. Zero if those are enough. */
  shortage(need: Resources): Resources {
    let { memoryBytes, cpuMillis } = need;
    for (const waiter of this.queue) {
      memoryBytes += waiter.need.memoryBytes;
      cpuMillis += waiter.need.cpuMillis;
    }
    return this.missing({ memoryBytes, cpuMillis });
  }

  /** What is missing for the request that waits longest; undefined if none waits. */
  headShortage(): Resources | undefined {
    for (const waiter of this.queue) return this.missing(waiter.need);
    return undefined;
  }

  private missing(need: Resources): Resources {
    return {
      memoryBytes: Math.max(0, need.memoryBytes - (this.totals.memoryBytes - this.memoryUsed + this.memoryComing)),
      cpuMillis: Math.max(0, need.cpuMillis - (this.totals.cpuMillis - this.cpuUsed + this.cpuComing)),
    };
  }

  private fits(need: Resources): boolean {
    return (
      this.memoryUsed + need.memoryBytes <= this.totals.memoryBytes &&
      this.cpuUsed + need.cpuMillis <= this.totals.cpuMillis
    );
  }

  private take(need: Resources): ResourceToken {
    this.use(need, 1);
    let state: 'held' | 'announced' | 'released' = 'held';
    return {
      resources: need,
      announceRelease: () => {
        if (state !== 'held') return;
        state = 'announced';
        this.expect(need, 1);
      },
      release: () => {
        if (state === 'released') return;
        if (state === 'announced') this.expect(need, -1);
        state = 'released';
        this.use(need, -1);
        this.serveQueue();
      },
    };
  }

  private use(need: Resources, sign: 1 | -1): void {
    this.memoryUsed += sign * need.memoryBytes;
    this.cpuUsed += sign * need.cpuMillis;
    count('util_mem_used', sign * need.memoryBytes);
    count('util_mem_avail', -sign * need.memoryBytes);
    count('util_cpu_used', sign * need.cpuMillis);
    count('util_cpu_avail', -sign * need.cpuMillis);
  }

  private expect(need: Resources, sign: 1 | -1): void {
    this.memoryComing += sign * need.memoryBytes;
    this.cpuComing += sign * need.cpuMillis;
  }

  private serveQueue(): void {
    for (const waiter of this.queue) {
      if (!this.fits(waiter.need)) return this.onStarved?.();
      this.queue.delete(waiter);
      waiter.grant(this.take(waiter.need));
    }
  }
}

interface Waiter {
  readonly need: Resources;
  grant(token: ResourceToken): void;
}

export function isNothing(resources: Resources): boolean {
  return resources.memoryBytes === 0 && resources.cpuMillis === 0;
}
