import { epochMs, type WallMs } from '@fnfleet/core';
import type { RunnerAbout } from '@fnfleet/protocol';

/** What a runner said about itself, and the offset of its clock. */
export interface RunnerIdentity {
  readonly about: RunnerAbout;
  /** Its wall clock minus ours, milliseconds. */
  readonly clockSkewMs: number;
  /** Uncertainty of the skew in either direction, milliseconds: half of the round trip. */
  readonly uncertaintyMs: number;
}

/**
 * @param tookMs how long the answer took
 * @param receivedAt when it arrived, by our wall clock
 */
export function runnerIdentityOf(about: RunnerAbout, tookMs: number, receivedAt: WallMs): RunnerIdentity {
  const uncertaintyMs = tookMs / 2;
  const oursMs = epochMs(receivedAt) - uncertaintyMs;
  return { about, clockSkewMs: Math.round(epochMs(about.nowMs) - oursMs), uncertaintyMs };
}
