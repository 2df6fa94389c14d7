import type { Call, Clock } from '@fnfleet/core';
import { PlacementJournal } from '@fnfleet/placement';
import { CallRecord } from './call-record.js';

/** However many calls are to be kept, their records occupy no more. */
const MAX_BYTES = 16 * 1024 * 1024;

/** The calls that are under way, and the last ones that ended. */
export class ExplainLog {
  private readonly underWay = new Map<string, CallRecord>();
  /** In the order in which they ended. */
  private readonly ended = new Map<string, { readonly record: CallRecord; readonly bytes: number }>();
  private bytes = 0;

  /** @param maxCalls that have ended; 0: nothing is kept at all */
  constructor(
    private readonly maxCalls: number,
    private readonly clock: Pick<Clock, 'now' | 'nowNs'>,
  ) {}

  /** @param detailed a client wants to know, whether or not anything is kept */
  newRecord(call: Call, detailed: boolean): CallRecord | undefined {
    return detailed || this.isOn ? new CallRecord(call, new PlacementJournal(this.clock, detailed)) : undefined;
  }

  begin(record: CallRecord): void {
    if (this.isOn) this.underWay.set(record.callId, record);
  }

  end(record: CallRecord): void {
    if (!this.isOn) return;
    const { callId, bytes } = record;
    if (this.underWay.get(callId) === record) this.underWay.delete(callId);
    this.forget(callId);
    this.ended.set(callId, { record, bytes });
    this.bytes += bytes;
    for (const oldest of this.ended.keys()) {
      if (this.ended.size <= this.maxCalls && this.bytes <= MAX_BYTES) break;
      this.forget(oldest);
    }
  }

  find(callId: string): CallRecord | undefined {
    return this.underWay.get(callId) ?? this.ended.get(callId)?.record;
  }

  private get isOn(): boolean {
    return this.maxCalls > 0;
  }

  private forget(callId: string): void {
    this.bytes -= this.ended.get(callId)?.bytes ?? 0;
    this.ended.delete(callId);
  }
}
