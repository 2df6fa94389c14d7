import { type MonoMs, systemClock } from '@fnfleet/core';

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
