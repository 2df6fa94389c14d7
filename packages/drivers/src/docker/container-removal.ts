import type { Clock, Logger } from '@fnfleet/core';
import { type HealthView, untilHealthy } from '../driver-health.js';
import type { Engine } from './engine.js';
import { isNotFound } from './engine-errors.js';

/** After so many attempts a container that has exited is left to the reaper. */
const ATTEMPTS_ONCE_EXITED = 10;
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 10_000;

export interface Removal {
  readonly id: string;
  /** Whether the engine is known to have created it: a creation that was given up may still take effect. */
  readonly made: 'yes' | 'unknown';
  /** Whether the exit of the process was observed. */
  readonly hasExited: () => boolean;
  readonly engine: Engine;
  readonly health: HealthView;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborted when the runner stops; containers that were not removed by then stay. */
  readonly abandon: AbortSignal;
}

/**
 * Removes a container from the engine. Resolves when it occupies no resources any more: it is gone, or it has exited and only its
 * remains cannot be removed, which are left to the reaper. Until then it keeps retrying, and the memory counts as occupied.
 * While the engine is degraded it waits. Never rejects.
 */
export async function removeContainer(removal: Removal): Promise<void> {
  const { id, engine, health, clock, logger, abandon } = removal;
  let delayMs = FIRST_RETRY_MS;
  for (let attempt = 1; ; attempt += 1) {
    try {
      await engine.removeContainer(id);
      return;
    } catch (error) {
      if (isNotFound(error) && removal.made === 'yes') return;
      if (abandon.aborted) {
        if (!isNotFound(error))
          logger.error('cannot remove a container, leaving it to the next runner that starts here', {
            container: id,
            error,
          });
        return;
      }
      if (attempt >= ATTEMPTS_ONCE_EXITED && (await occupiesNothing(removal, error))) {
        if (!isNotFound(error))
          logger.warn('cannot remove an exited container, retrying later', { container: id, error });
        return;
      }
    }
    // The daemon may be restarting, removing it already, or still finishing a creation that timed out.
    if (health.now.state === 'degraded') await untilHealthy(health, abandon);
    else await clock.sleep(delayMs, abandon);
    delayMs = Math.min(delayMs * 2, LAST_RETRY_MS);
  }
}

async function occupiesNothing({ id, engine, hasExited }: Removal, error: unknown): Promise<boolean> {
  if (isNotFound(error) || hasExited()) return true;
  return engine.inspectContainer(id).then(({ running }) => !running, isNotFound);
}
