import { type MonoMs, systemClock } from '@fnfleet/core';

/**
 * One wish to stop often comes as several signals: a terminal or a supervisor signals the whole group, and whoever started
 * us passes it on. Signals this close to the first are the same wish, milliseconds.
 */
const SAME_WISH_MS = 500;

/**
 * Resolves with the first SIGTERM or SIGINT. One that comes later, when the first has had its time, calls `again`: whoever
 * asks twice does not want to wait.
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
