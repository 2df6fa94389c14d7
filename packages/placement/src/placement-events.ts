import type { Clock, MonoMs, WallMs } from '@fnfleet/core';
import type { PlacementEventSink } from '@fnfleet/protocol';

/** One line of a journal. */
export interface PlacementEvent {
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

/** Time, event, runner and text. */
const SLOTS = 4;

/**
 * Which runners were considered for a call, in which order and why, and what each said. Bounded: a call that is refused
 * for minutes keeps how it began and what came last. Of each of the last thousand calls there is one, so its entries are
 * no objects before somebody reads them.
 */
export class PlacementEvents implements PlacementEventSink {
  /** Entries that are not kept. */
  omitted = 0;
  /** Characters of all texts that are kept. */
  textLength = 0;
  /** Each entry in `SLOTS` of them; the time in microseconds. */
  private readonly log: (number | string | undefined)[] = [];
  private skips = 0;

  /**
   * @param detailed whether runners that are skipped are written down too: there may be many of them
   * @param arrivedAt when the call arrived, as are all times counted from `startedAt`
   */
  constructor(
    private readonly clock: Pick<Clock, 'now' | 'wallNow'>,
    readonly detailed: boolean,
    readonly arrivedAt: WallMs = clock.wallNow(),
    private readonly startedAt: MonoMs = clock.now(),
  ) {}

  /** How many entries are kept. */
  get size(): number {
    return this.log.length / SLOTS;
  }

  get entries(): PlacementEvent[] {
    const { log } = this;
    return Array.from({ length: this.size }, (_, entry) => {
      const [micros, event, runner, text] = log.slice(entry * SLOTS, (entry + 1) * SLOTS);
      return { atMs: (micros as number) / 1000, event, runner, text } as PlacementEvent;
    });
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

  private add(event: PlacementEvent['event'], runner: string | undefined, text: string): void {
    if (this.log.length >= MAX_ENTRIES * SLOTS) this.drop();
    this.log.push(Math.round(this.elapsedMs * 1000), event, runner, text);
    this.textLength += text.length;
  }

  private drop(): void {
    const dropped = this.log.splice(KEEP_FIRST * SLOTS, DROP * SLOTS);
    this.omitted += DROP;
    for (let text = SLOTS - 1; text < dropped.length; text += SLOTS) this.textLength -= String(dropped[text]).length;
  }
}
