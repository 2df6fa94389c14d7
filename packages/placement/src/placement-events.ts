import type { Clock, MonoMs, WallMs } from '@fnfleet/core';
import type { PlacementEventSink } from '@fnfleet/protocol';

/** One event of a placement. */
export interface PlacementEvent {
  /** Milliseconds since the call arrived. */
  readonly atMs: number;
  readonly event: 'skipped' | 'offered' | 'said' | 'queued' | 'woken';
  /** Address; undefined if no runner is involved. */
  readonly runner: string | undefined;
  readonly text: string;
}

const MAX_SKIPPED = 32;
/** Beyond this, events between the beginning and the newest are dropped. */
const MAX_ENTRIES = 128;
const KEEP_FIRST = 32;
const DROP = 64;

/** Time, event, runner and text. */
const SLOTS = 4;

/**
 * What happened during a placement: which runners were considered, in which order and why, and what each answered. Bounded: a
 * call that is refused for minutes keeps the beginning and the newest events. There is one for each of the last thousand calls,
 * so events become objects only when they are read.
 */
export class PlacementEvents implements PlacementEventSink {
  /** Number of dropped events. */
  omitted = 0;
  /** Total length of all kept texts. */
  textLength = 0;
  /** Each event takes `SLOTS` elements; times are in microseconds. */
  private readonly log: (number | string | undefined)[] = [];
  private skips = 0;

  /**
   * @param detailed whether to record skipped runners too, of which there may be many
   * @param arrivedAt when the call arrived; elapsed times count from `startedAt`
   */
  constructor(
    private readonly clock: Pick<Clock, 'now' | 'wallNow'>,
    readonly detailed: boolean,
    readonly arrivedAt: WallMs = clock.wallNow(),
    private readonly startedAt: MonoMs = clock.now(),
  ) {}

  /** Number of kept events. */
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
