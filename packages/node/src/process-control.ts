import { type MonoMs, systemClock } from '@fnfleet/core';

/** The addresses at which a node listens, by purpose. */
export type Addresses = Readonly<Record<string, string>>;

/** Messages of a node to its parent process: it serves, or why it failed to start. */
export type ParentMessage = { readonly ready: Addresses } | { readonly failed: string };

/** Resolves when the message has been handed over. Does nothing in a process without an IPC channel. Never rejects. */
export function tellParent(message: ParentMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(message, () => resolve());
  });
}

export function isReadyMessage(message: unknown): message is { readonly ready: Addresses } {
  return typeof message === 'object' && message !== null && 'ready' in message;
}

export function isFailedMessage(message: unknown): message is { readonly failed: string } {
  return typeof message === 'object' && message !== null && 'failed' in message;
}

/**
 * A single request to stop often arrives as several signals: a terminal or supervisor signals the whole process group,
 * and the parent process forwards its own. Signals within this time after the first count as the same request;
 * milliseconds.
 */
const SAME_WISH_MS = 500;

/**
 * Resolves with the first SIGTERM or SIGINT. A later one calls `again`: a user who signals twice wants an immediate
 * exit.
 */
export function stopSignal(again: () => void): Promise<string> {
  return new Promise((resolve) => {
    let firstAt: MonoMs | undefined;
    const onSignal = (signal: string) => {
      if (firstAt === undefined) {
        firstAt = systemClock.now();
        resolve(signal);
      } else if (systemClock.now() - firstAt > SAME_WISH_MS) again();
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}

/**
 * Resolves with the reason on the first SIGTERM or SIGINT, or when the parent process is gone. A later signal calls
 * `again`.
 */
export function untilStopped(again: () => void): Promise<string> {
  const { promise: parentGone, resolve } = Promise.withResolvers<string>();
  process.once('disconnect', () => resolve('parent is gone'));
  return Promise.race([stopSignal(again), parentGone]);
}
