import { type App, type Clock, type Fn, FnError, later, type MonoMs, TurnoverMap } from '@fnfleet/core';
import type { MessageQueue, NewMessage } from '@fnfleet/queue';
import { fnOfDelivery } from '../callbacks/follow-ups.js';
import type { Datastore } from '../datastore/datastore.js';

/** How long an app or a function is used after it was read. Changes that this process learns of apply at once. */
const FRESH_MS = 1_000;
const MAX_KNOWN = 10_000;

/** What the owner of a function has set for a call that is accepted. */
export type OwnersTerms = (fn: Fn, message: NewMessage, app: App | undefined) => Partial<NewMessage>;

/**
 * Adds to each call that is accepted what the owner of its function has set. The API node does this, because callers and balancers
 * must not choose it.
 */
export class TermsOfFunctions {
  private readonly fns: Recent<Fn>;
  private readonly apps: Recent<App>;

  constructor(
    store: Pick<Datastore, 'fns' | 'apps'>,
    clock: Pick<Clock, 'now'>,
    private readonly terms: readonly OwnersTerms[],
  ) {
    this.fns = new Recent((id) => store.fns.get(id), 'fnNotFound', clock);
    this.apps = new Recent((id) => store.apps.get(id), 'appNotFound', clock);
  }

  /** A queue that adds them. Its push rejects with the error of the datastore if the function cannot be read. */
  of(queue: MessageQueue): MessageQueue {
    return {
      ...queue,
      push: async (message) => {
        if (message.lane === 'deliveries') return queue.push(message);
        // A function is in one lane only: its callbacks would be run as calls from then on.
        if (fnOfDelivery(message.fnId) !== undefined) throw new FnError('fnNotFound');
        const owned = await this.read(message.fnId);
        // A call of a deleted function ends when it would start.
        if (owned === undefined) return queue.push(message);
        const terms = this.terms.map((of) => of(owned.fn, message, owned.app));
        return queue.push(Object.assign({}, message, { app: owned.fn.appId }, ...terms));
      },
    };
  }

  /** @returns undefined if the function does not exist */
  async read(fnId: string): Promise<{ readonly fn: Fn; readonly app: App | undefined } | undefined> {
    const fn = await this.fns.read(fnId);
    return fn && { fn, app: await this.apps.read(fn.appId) };
  }

  /** A function or an app has changed. */
  forget(id: string): void {
    this.fns.forget(id);
    this.apps.forget(id);
  }

  /** Anything may have changed. */
  forgetAll(): void {
    this.fns.forgetAll();
    this.apps.forgetAll();
  }
}

/** What was read a moment ago. A thousand calls a second must not read a thousand times. */
class Recent<T> {
  private readonly known = new TurnoverMap<string, { readonly value: Promise<T | undefined>; readonly at: MonoMs }>();

  constructor(
    private readonly get: (id: string) => Promise<T>,
    private readonly absence: 'fnNotFound' | 'appNotFound',
    private readonly clock: Pick<Clock, 'now'>,
  ) {}

  read(id: string): Promise<T | undefined> {
    const now = this.clock.now();
    const known = this.known.get(id);
    if (known !== undefined && now < later(known.at, FRESH_MS)) return known.value;
    const value = this.get(id).catch(async (error: unknown) => {
      if (error instanceof FnError && error.code === this.absence) return undefined;
      // What was known goes on while the database cannot be read.
      const before = await known?.value;
      if (before !== undefined) return before;
      this.forget(id);
      throw error;
    });
    const [oldest] = this.known.keys();
    if (this.known.size >= MAX_KNOWN && oldest !== undefined) this.known.delete(oldest);
    this.known.delete(id);
    this.known.set(id, { value, at: now });
    return value;
  }

  forget(id: string): void {
    this.known.delete(id);
  }

  forgetAll(): void {
    this.known.clear();
  }
}
