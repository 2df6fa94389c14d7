import { epochMs, type WallMs } from '@fnfleet/core';
import type { RunnerAbout } from '@fnfleet/protocol';

/** Who a runner said it is, and how far its clock is from ours. */
export interface RunnerIdentity {
  readonly about: RunnerAbout;
  /** Its wall clock less ours, milliseconds. */
  readonly clockSkewMs: number;
  /** The skew may be off by so much either way: half of the time that the answer took, milliseconds. */
  readonly uncertaintyMs: number;
}

/**
 * @param tookMs how long the answer took
 * @param receivedAt when it came, by our wall clock
 */
export function runnerIdentityOf(about: RunnerAbout, addLatency: number, receivedAt: WallMs): RunnerIdentity {
  const uncertaintyMs = addLatency / 2;
  const oursMs = epochMs(receivedAt) - uncertaintyMs;
  return { about, clockSkewMs: Math.round(epochMs(about.nowMs) - oursMs), uncertaintyMs };
}
