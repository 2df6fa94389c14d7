import { LONG_AGO, type MonoMs } from '@fnfleet/core';
import type { Candidate, Fleet } from '../candidate.js';
import type { PlacerDeps } from '../placer.js';

/** Runners that are compared for one call; the paper's pool. */
const SIZE = 16;
/** Runners that take the place of others after each call. */
const REPLACED = 2;
/** What is known of a runner is asked for again when it is older, milliseconds. */
const FRESH_MS = 1_000;
/** Probes that are on their way at most. */
const MOST_IN_FLIGHT = 32;

/**
 * A changing sample of the fleet. The view already has what each runner told with its last answers, so only those are asked
 * that have not been heard of for a while.
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
    // The answer reaches the view; that there was none is found out by the next call.
    candidate.runner
      .status()
      .catch(() => undefined)
      .finally(() => {
        this.inFlight -= 1;
      });
  }
}
