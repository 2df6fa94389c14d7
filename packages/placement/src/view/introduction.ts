import type { RunnerAbout } from '@fnfleet/protocol';

/** Who a runner said it is, and how far its clock is from ours. */
export interface Introduction {
  readonly about: RunnerAbout;
  /** Its wall clock less ours, milliseconds. */
  readonly clockSkewMs: number;
  /** The skew may be off by so much either way: half of the time that the answer took, milliseconds. */
  readonly uncertaintyMs: number;
}

/**
 * @param sentAt when it was asked, by our wall clock, milliseconds
 * @param receivedAt when it had answered
 */
export function introductionOf(about: RunnerAbout, sentAt: number, receivedAt: number): Introduction {
  const uncertaintyMs = Math.max(0, receivedAt - sentAt) / 2;
  return { about, clockSkewMs: Math.round(about.nowMs - (sentAt + uncertaintyMs)), uncertaintyMs };
}
