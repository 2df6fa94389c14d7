import { count, countFromZero, FnError, TurnoverSet } from '@fnfleet/core';

/** What a container occupies from its launch until it is removed, idle or not. */
export interface Resources {
  readonly memoryBytes: number;
  readonly cpuMillis: number;
}

export interface ResourceToken {
  readonly resources: Resources;
  /** Idempotent, so a `finally` may always call it. */
  release(): void;
  /** The owner is about to release: `shortage` counts on it from now on. Idempotent. */
  announceRelease(): void;
}

/**
 * Hands out this machine's memory and CPU.
 *
 * R1  Who waits is served in order of arrival; nobody who came later overtakes.
 * R2  A token gives back exactly what it took, once.
 * R3  A need of nothing at all is always met, at once.
 */
export class ResourceTracker {
  private memoryUsed = 0;
  private cpuUsed = 0;
  /** What tokens have announced to release. */
  private memoryComing = 0;
  private cpuComing = 0;
  private readonly queue = new TurnoverSet<Waiter>();
  /** Called whenever things have changed and somebody still waits. */
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

  /** Takes the totals off the gauges. Nothing must be held any more. */
  close(): void {
    count('util_mem_avail', -this.totals.memoryBytes);
    count('util_cpu_avail', -this.totals.cpuMillis);
  }

  /** Whether the need could be met if nothing else ran. */
  isPossible(need: Resources): boolean {
    return need.memoryBytes <= this.totals.memoryBytes && need.cpuMillis <= this.totals.cpuMillis;
  }

  /** Room now, or undefined. Never waits. */
  tryReserve(need: Resources): ResourceToken | undefined {
    if (isNothing(need)) return this.take(need);
    return this.queue.size === 0 && this.fits(need) ? this.take(need) : undefined;
  }

  /**
   * Waits for room.
   * @throws FnError `resourceTooBig` at once when waiting could never help; the signal's reason on abort
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
        // It may have held up smaller needs behind it.
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

  /** What is missing for this need behind all that wait, beyond what is about to be released. Zero: enough will come. */
  shortage(need: Resources): Resources {
    let { memoryBytes, cpuMillis } = need;
    for (const waiter of this.queue) {
      memoryBytes += waiter.need.memoryBytes;
      cpuMillis += waiter.need.cpuMillis;
    }
    return this.missing({ memoryBytes, cpuMillis });
  }

  /** What is missing for whoever waits longest; undefined when nobody waits. */
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
