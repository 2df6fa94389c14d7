import { integer } from '@fnfleet/core';
import type { HttpLimits } from '@fnfleet/http';
import type { LbSettings } from '@fnfleet/lb-agent';

export const workerSettings = {
  workers: integer('FN_WORKERS', {
    default: 1,
    min: 1,
    max: 64,
    doc: 'Processes of the balancer; each uses one core. They share one port, `/metrics`, `/fleet` and drain, and the limits of the balancer hold for all of them together. A worker that ends is replaced. More than one needs Linux.',
  }),
} as const;

/** Set in each worker: which one it is, from 1 on. */
export const WORKER_VARIABLE = 'FNFLEET_WORKER';

/** The settings of one of several workers: each gets its share of what the whole may hold. */
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
    // Each line tells when its call came, counted from the start of its process.
    workloadFile: settings.workloadFile && `${settings.workloadFile}.${worker}`,
  };
}
