import { Listeners } from '@fnfleet/core';

/** Wakes the subscribers of the change log. Other processes are watched only while somebody is subscribed. */
export class ChangeSignal {
  private readonly listeners = new Listeners<[]>();
  private stopWatching: (() => void) | undefined;
  private closed = false;

  /** @param watch calls back for changes of other processes, until the function that it returns is called */
  constructor(private readonly watch: (wake: () => void) => () => void) {}

  subscribe(listener: () => void): () => void {
    if (this.closed) return () => undefined;
    const unsubscribe = this.listeners.subscribe(listener);
    this.stopWatching ??= this.watch(() => this.wake());
    return () => {
      unsubscribe();
      if (this.listeners.isEmpty) this.stop();
    };
  }

  wake(): void {
    if (!this.closed) this.listeners.emit();
  }

  /** Subscribers are not called any more. */
  close(): void {
    this.closed = true;
    this.stop();
  }

  private stop(): void {
    this.stopWatching?.();
    this.stopWatching = undefined;
  }
}
