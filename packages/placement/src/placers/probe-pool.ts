import { LONG_AGO, type MonoMs } from '@fnfleet/core';
import type { Candidate, Fleet } from '../candidate.js';
import type { PlacerDeps } from '../placer.js';

/** Size of the pool in the paper: the runners compared for one call. */
const SIZE = 16;
/** Runners that are replaced after each call. */
const REPLACED = 2;
/** Data older than this is probed again, milliseconds. */
const FRESH_MS = 1_000;
/** Limit for concurrent probes. */
const MOST_IN_FLIGHT = 32;

/**
 * A changing sample of the fleet. The fleet state already has what runners reported with their calls, so only runners without a
 * recent report are probed.
 */
export class ProbePool {
  private members: Candidate[] = [];
  private of: Fleet['candidates'] = [];
  private next = 0;
  private inFlight = 0;
  private readonly probedAt = new WeakMap<Candidate, MonoMs>();

  constructor(private readonly deps: PlacerDeps) {}

  take({ candidates }: Fleet): readonly Candidate[] {
    if (this.of !== candidates) {
      this.of = candidates;
      this.members = [];
    }
    const size = Math.min(SIZE, candidates.length);
    while (this.members.length < size) this.members.push(this.another());
    for (let i = 0; i < REPLACED && candidates.length > SIZE; i += 1) {
      this.members[this.next] = this.another();
      this.next = (this.next + 1) % SIZE;
    }
    return [...new Set(this.members)];
  }

  private another(): Candidate {
    const { random } = this.deps;
    const candidate =
      this.of.length <= SIZE ? this.of[this.members.length] : this.of[Math.floor(random() * this.of.length)];
    this.probe(candidate as Candidate);
    return candidate as Candidate;
  }

  private probe(candidate: Candidate): void {
    const now = this.deps.clock.now();
    if (this.inFlight >= MOST_IN_FLIGHT || now - (this.probedAt.get(candidate) ?? LONG_AGO) < FRESH_MS) return;
    this.probedAt.set(candidate, now);
    this.inFlight += 1;
    // The answer reaches the fleet state. A missing answer is noticed by the next call.
    candidate.runner
      .status()
      .catch(() => undefined)
      .finally(() => {
        this.inFlight -= 1;
      });
  }
}
