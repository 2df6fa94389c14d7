import { type Call, type Clock, type MonoMs, TurnoverSet, type WallMs } from '@fnfleet/core';
import { PlacementEvents } from '@fnfleet/placement';
import { CallHistoryEntry } from './call-history-entry.js';

/** However many calls are to be kept, their records occupy no more. */
const MAX_BYTES = 16 * 1024 * 1024;
const FORGOTTEN_AT_ONCE = 256;

/** The calls that are under way, and the last ones that ended. */
export class CallHistory {
  private readonly underWay = new TurnoverSet<CallHistoryEntry>();
  /** In the order in which they ended; those before `oldest` are forgotten. */
  private ended: CallHistoryEntry[] = [];
  private oldest = 0;
  private bytes = 0;

  /** @param maxCalls that have ended; 0: nothing is kept at all */
  constructor(
    private readonly maxCalls: number,
    private readonly clock: Pick<Clock, 'now' | 'wallNow'>,
  ) {}

  /** @param detailed a client wants to know, whether or not anything is kept */
  newEntry(call: Call, detailed: boolean, createdAt?: WallMs, arrivedAt?: MonoMs): CallHistoryEntry | undefined {
    if (!detailed && !this.isOn) return undefined;
    return new CallHistoryEntry(call, new PlacementEvents(this.clock, detailed, createdAt, arrivedAt));
  }

  begin(history: CallHistoryEntry): void {
    if (this.isOn) this.underWay.add(history);
  }

  /** Follows on `begin`, once. The record does not change any more. */
  end(history: CallHistoryEntry): void {
    if (!this.isOn) return;
    this.underWay.delete(history);
    this.ended.push(history);
    this.bytes += history.bytes;
    while (this.ended.length - this.oldest > this.maxCalls || this.bytes > MAX_BYTES) this.forgetOldest();
  }

  /** Looks at all of them: an index would cost every call, and nobody asks but people. Of two with one id, the later. */
  find(callId: string): CallHistoryEntry | undefined {
    for (const history of this.underWay) if (history.callId === callId) return history;
    for (let i = this.ended.length - 1; i >= this.oldest; i -= 1) {
      if (this.ended[i]?.callId === callId) return this.ended[i];
    }
    return undefined;
  }

  private get isOn(): boolean {
    return this.maxCalls > 0;
  }

  private forgetOldest(): void {
    const history = this.ended[this.oldest] as CallHistoryEntry;
    this.oldest += 1;
    this.bytes -= history.bytes;
    // Now and then, not with every call: what is forgotten is let go of.
    if (this.oldest < FORGOTTEN_AT_ONCE) return;
    this.ended = this.ended.slice(this.oldest);
    this.oldest = 0;
  }
}
