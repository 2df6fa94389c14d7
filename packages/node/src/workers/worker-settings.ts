import { integer } from '@fnfleet/core';
import type { HttpLimits } from '@fnfleet/http';
import type { LbSettings } from '@fnfleet/lb-agent';

export const workerSettings = {
  workers: integer('FN_WORKERS', {
    default: 1,
    min: 1,
    max: 64,
    doc: 'Number of processes of the balancer; each uses one core. They share one port, `/metrics`, `/fleet` and drain, and the limits of the balancer apply to all of them together. A worker that exits is replaced. More than one requires Linux.',
  }),
} as const;

/** Set in each worker: its number, starting at 1. */
export const WORKER_VARIABLE = 'FNFLEET_WORKER';

/** The settings of one of several workers: each gets its share of the limits of the balancer. */
export function shareOf<S extends LbSettings & Pick<HttpLimits, 'maxConnections'>>(
  settings: S,
  workers: number,
  worker: string | undefined,
): S {
  if (worker === undefined || workers === 1) return settings;
  const share = (whole: number) => Math.ceil(whole / workers);
  return {
    ...settings,
    maxConnections: share(settings.maxConnections),
    queueMaxCalls: share(settings.queueMaxCalls),
    queueMaxBytes: share(settings.queueMaxBytes),
    replayMemoryBytes: share(settings.replayMemoryBytes),
    replayDiskBytes: share(settings.replayDiskBytes),
    explainCalls: share(settings.explainCalls),
    asyncConsumers: share(settings.asyncConsumers),
    asyncHeldBytes: share(settings.asyncHeldBytes),
    // Each line tells when its call came, counted from the start of its process.
    workloadFile: settings.workloadFile && `${settings.workloadFile}.${worker}`,
  };
}
