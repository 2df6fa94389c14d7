import { type Call, type Clock, type MonoMs, TurnoverSet, type WallMs } from '@fnfleet/core';
import { PlacementJournal } from '@fnfleet/placement';
import { CallRecord } from './call-record.js';

/** However many calls are to be kept, their records occupy no more. */
const MAX_BYTES = 16 * 1024 * 1024;
const FORGOTTEN_AT_ONCE = 256;

/** The calls that are under way, and the last ones that ended. */
export class ExplainLog {
  private readonly underWay = new TurnoverSet<CallRecord>();
  /** In the order in which they ended; those before `oldest` are forgotten. */
  private ended: CallRecord[] = [];
  private oldest = 0;
  private bytes = 0;

  /** @param maxCalls that have ended; 0: nothing is kept at all */
  constructor(
    private readonly maxCalls: number,
    private readonly clock: Pick<Clock, 'now' | 'wallNow'>,
  ) {}

  /** @param detailed a client wants to know, whether or not anything is kept */
  newRecord(call: Call, detailed: boolean, createdAt?: WallMs, arrivedAt?: MonoMs): CallRecord | undefined {
    if (!detailed && !this.isOn) return undefined;
    return new CallRecord(call, new PlacementJournal(this.clock, detailed, createdAt, arrivedAt));
  }

  begin(record: CallRecord): void {
    if (this.isOn) this.underWay.add(record);
  }

  /** Follows on `begin`, once. The record does not change any more. */
  end(record: CallRecord): void {
    if (!this.isOn) return;
    this.underWay.delete(record);
    this.ended.push(record);
    this.bytes += record.bytes;
    while (this.ended.length - this.oldest > this.maxCalls || this.bytes > MAX_BYTES) this.forgetOldest();
  }

  /** Looks at all of them: an index would cost every call, and nobody asks but people. Of two with one id, the later. */
  find(callId: string): CallRecord | undefined {
    for (const record of this.underWay) if (record.callId === callId) return record;
    for (let i = this.ended.length - 1; i >= this.oldest; i -= 1) {
      if (this.ended[i]?.callId === callId) return this.ended[i];
    }
    return undefined;
  }

  private get isOn(): boolean {
    return this.maxCalls > 0;
  }

  private forgetOldest(): void {
    const record = this.ended[this.oldest] as CallRecord;
    this.oldest += 1;
    this.bytes -= record.bytes;
    // Now and then, not with every call: what is forgotten is let go of.
    if (this.oldest < FORGOTTEN_AT_ONCE) return;
    this.ended = this.ended.slice(this.oldest);
    this.oldest = 0;
  }
}
