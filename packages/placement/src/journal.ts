import type { Clock, MonoMs, WallMs } from '@fnfleet/core';
import type { CallJournal } from '@fnfleet/protocol';

/** One line of a journal. */
export interface JournalEntry {
  /** Milliseconds since the call arrived. */
  readonly atMs: number;
  readonly event: 'skipped' | 'offered' | 'said' | 'queued' | 'woken';
  /** Address; undefined where no runner is spoken of. */
  readonly runner: string | undefined;
  readonly text: string;
}

const MAX_SKIPPED = 32;
/** When there are so many, those between the beginning and the newest go. */
const MAX_ENTRIES = 128;
const KEEP_FIRST = 32;
const DROP = 64;

/**
 * Which runners were considered for a call, in which order and why, and what each said. Bounded: a call that is refused
 * for minutes keeps how it began and what came last.
 */
export class PlacementJournal implements CallJournal {
  readonly arrivedAt: WallMs;
  readonly entries: JournalEntry[] = [];
  /** Entries that are not kept. */
  omitted = 0;
  private readonly startedAt: MonoMs;
  private skips = 0;

  /** @param detailed whether runners that are skipped are written down too: there may be many of them */
  constructor(
    private readonly clock: Pick<Clock, 'now' | 'wallNow'>,
    readonly detailed: boolean,
  ) {
    this.arrivedAt = clock.wallNow();
    this.startedAt = clock.now();
  }

  /** Milliseconds since the call arrived. */
  get elapsedMs(): number {
    return this.clock.now() - this.startedAt;
  }

  skipped(address: string, why: string): void {
    if (!this.detailed) return;
    this.skips += 1;
    if (this.skips > MAX_SKIPPED) this.omitted += 1;
    else this.add('skipped', address, why);
  }

  offered(address: string): void {
    this.add('offered', address, '');
  }

  said(address: string, what: string): void {
    this.add('said', address, what);
  }

  queued(): void {
    this.add('queued', undefined, '');
  }

  woken(why: string): void {
    this.add('woken', undefined, why);
  }

  private add(event: JournalEntry['event'], runner: string | undefined, text: string): void {
    if (this.entries.length >= MAX_ENTRIES) {
      this.entries.splice(KEEP_FIRST, DROP);
      this.omitted += DROP;
    }
    this.entries.push({ atMs: this.elapsedMs, event, runner, text });
  }
}
