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
