import { type Call, type Clock, type MonoMs, TurnoverSet, type WallMs } from '@fnfleet/core';
import { PlacementEvents } from '@fnfleet/placement';
import { CallHistoryEntry } from './call-history-entry.js';

/** Memory limit for all entries, whatever their number. */
const MAX_BYTES = 16 * 1024 * 1024;
const FORGOTTEN_AT_ONCE = 256;

/** Calls in flight, and the last ones that have ended. */
export class CallHistory {
  private readonly underWay = new TurnoverSet<CallHistoryEntry>();
  /** Ended calls in order of their end; those before `oldest` have been dropped. */
  private ended: CallHistoryEntry[] = [];
  private oldest = 0;
  private bytes = 0;

  /** @param maxCalls maximum number of ended calls; 0: nothing is recorded */
  constructor(
    private readonly maxCalls: number,
    private readonly clock: Pick<Clock, 'now' | 'wallNow'>,
  ) {}

  /** @param detailed a client asked for an explanation, so record even if nothing is kept */
  newEntry(call: Call, detailed: boolean, createdAt?: WallMs, arrivedAt?: MonoMs): CallHistoryEntry | undefined {
    if (!detailed && !this.isOn) return undefined;
    return new CallHistoryEntry(call, new PlacementEvents(this.clock, detailed, createdAt, arrivedAt));
  }

  begin(history: CallHistoryEntry): void {
    if (this.isOn) this.underWay.add(history);
  }

  /** Called once after `begin`. The entry does not change any more. */
  end(history: CallHistoryEntry): void {
    if (!this.isOn) return;
    this.underWay.delete(history);
    this.ended.push(history);
    this.bytes += history.bytes;
    while (this.ended.length - this.oldest > this.maxCalls || this.bytes > MAX_BYTES) this.forgetOldest();
  }

  /**
   * Searches linearly: an index would cost every call, and only people ask. Returns the later of two with the same id.
   */
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
    // Release dropped entries now and then, not with every call.
    if (this.oldest < FORGOTTEN_AT_ONCE) return;
    this.ended = this.ended.slice(this.oldest);
    this.oldest = 0;
  }
}
