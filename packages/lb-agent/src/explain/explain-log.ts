import type { Call, Clock } from '@fnfleet/core';
import { PlacementJournal } from '@fnfleet/placement';
import { CallRecord } from './call-record.js';

/** However many calls are to be kept, their records occupy no more. */
const MAX_BYTES = 16 * 1024 * 1024;
const FORGOTTEN_AT_ONCE = 256;

/** The calls that are under way, and the last ones that ended. */
export class ExplainLog {
  private readonly records = new Map<string, CallRecord>();
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
  newRecord(call: Call, detailed: boolean): CallRecord | undefined {
    return detailed || this.isOn ? new CallRecord(call, new PlacementJournal(this.clock, detailed)) : undefined;
  }

  begin(record: CallRecord): void {
    if (this.isOn) this.records.set(record.callId, record);
  }

  /** Follows on `begin`, once. The record does not change any more. */
  end(record: CallRecord): void {
    if (!this.isOn) return;
    this.ended.push(record);
    this.bytes += record.bytes;
    while (this.ended.length - this.oldest > this.maxCalls || this.bytes > MAX_BYTES) this.forgetOldest();
  }

  find(callId: string): CallRecord | undefined {
    return this.records.get(callId);
  }

  private get isOn(): boolean {
    return this.maxCalls > 0;
  }

  private forgetOldest(): void {
    const record = this.ended[this.oldest] as CallRecord;
    this.oldest += 1;
    this.bytes -= record.bytes;
    // Another call may have come under the same id.
    if (this.records.get(record.callId) === record) this.records.delete(record.callId);
    // Now and then, not with every call: what is forgotten is let go of.
    if (this.oldest < FORGOTTEN_AT_ONCE) return;
    this.ended = this.ended.slice(this.oldest);
    this.oldest = 0;
  }
}
