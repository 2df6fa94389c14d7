import { type Clock, systemClock } from './clock.js';

/** Holds timers, streams, sockets, processes or subscriptions until it is closed. */
export interface Resource {
  /**
   * Releases everything; work in flight fails as cancelled, unless the implementation says otherwise. Resolves when nothing is
   * held any more. Idempotent, never rejects.
   */
  close(): Promise<void>;
}

/** A part that takes work. Roles open services in order and close them in reverse order. */
export interface Service extends Resource {
  /** Resolves when the service can take work; rejects if it never will. */
  readonly ready: Promise<void>;
  /** Takes no new work, lets work in flight finish for up to `graceMs`, then closes. All callers share one promise. */
  drain(options: { graceMs: number }): Promise<DrainResult>;
}

export type DrainResult = 'drained' | 'expired';

/** Counts work in flight and tells when there is none. */
export class InflightTracker {
  private count = 0;
  private waiters: (() => void)[] = [];

  constructor(private readonly clock: Clock = systemClock) {}

  get size(): number {
    return this.count;
  }

  /** Registers one piece of work. Returns an idempotent function that ends it. */
  enter(): () => void {
    this.begin();
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.end();
    };
  }

  /** The same without a function per piece: call `end` exactly once for each. */
  begin(): void {
    this.count += 1;
  }

  end(): void {
    this.count -= 1;
    if (this.count === 0) for (const wake of this.waiters.splice(0)) wake();
  }

  /** Resolves when no work is in flight, or when the grace is over. */
  whenIdle(graceMs = Number.POSITIVE_INFINITY): Promise<DrainResult> {
    if (this.count === 0) return Promise.resolve('drained');
    return new Promise((resolve) => {
      const timer = Number.isFinite(graceMs)
        ? this.clock.after(
            graceMs,
            () => {
              this.waiters = this.waiters.filter((waiter) => waiter !== wake);
              resolve('expired');
            },
            { keepAlive: true },
          )
        : undefined;
      const wake = () => {
        timer?.cancel();
        resolve('drained');
      };
      this.waiters.push(wake);
    });
  }
}

/** Wraps an action so that it runs once and all callers share its promise. */
export class Once<T> {
  private promise: Promise<T> | undefined;

  constructor(private readonly action: () => Promise<T>) {}

  get called(): boolean {
    return this.promise !== undefined;
  }

  call(): Promise<T> {
    this.promise ??= this.action();
    return this.promise;
  }
}

/** A promise that is settled from outside. Settling it again has no effect. */
export class Deferred<T> {
  readonly promise: Promise<T>;
  resolve!: (value: T) => void;
  reject!: (reason: unknown) => void;

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

interface Subscription<A extends readonly unknown[]> {
  readonly listener: (...event: A) => void;
}

/** Listeners for one kind of event. Meant for few, long-lived ones: subscribing copies the list, emitting does not. */
export class Listeners<A extends readonly unknown[]> {
  private subscriptions: readonly Subscription<A>[] = [];

  get isEmpty(): boolean {
    return this.subscriptions.length === 0;
  }

  /** @returns a function that unsubscribes; idempotent */
  subscribe(listener: (...event: A) => void): () => void {
    const own: Subscription<A> = { listener };
    this.subscriptions = [...this.subscriptions, own];
    return () => {
      this.subscriptions = this.subscriptions.filter((other) => other !== own);
    };
  }

  /** Calls every listener that is subscribed now, in the order of subscription. */
  emit(...event: A): void {
    for (const { listener } of this.subscriptions) listener(...event);
  }
}
