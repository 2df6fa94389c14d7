import { type Call, FnError, formatDate, tellOperator } from '@fnfleet/core';
import type { Explanation } from '@fnfleet/operator-api';
import type { PlacementEvent, PlacementEvents } from '@fnfleet/placement';
import type { ReportedTimings } from '@fnfleet/protocol';

const RECORD_BYTES = 512;
const ENTRY_BYTES = 96;

/** The record of one call. It holds no content of the call, and does not keep its connection alive. */
export class CallHistoryEntry {
  private timings: ReportedTimings | undefined;
  private endedAtMs: number | undefined;
  private error: string | undefined;
  /** Id of the trace of the call. */
  traceId: string | undefined;
  readonly callId: string;
  private readonly fnId: string;
  private readonly appId: string;
  private readonly type: Call['type'];

  constructor(
    { id, fnId, appId, type }: Call,
    readonly events: PlacementEvents,
  ) {
    this.callId = id;
    this.fnId = fnId;
    this.appId = appId;
    this.type = type;
  }

  /** Its approximate size in bytes. */
  get bytes(): number {
    const { size, textLength } = this.events;
    return RECORD_BYTES + size * ENTRY_BYTES + 2 * textLength;
  }

  reported(timings: ReportedTimings): void {
    const { schedulerNs, executionNs, imagePullWaitNs, containerPrepareNs, containerCreateNs, containerInitNs } =
      timings;
    this.timings = {
      schedulerNs,
      executionNs,
      imagePullWaitNs,
      containerPrepareNs,
      containerCreateNs,
      containerInitNs,
    };
  }

  /** @param error the error of the call; undefined if it succeeded */
  ended(error: unknown): void {
    const text =
      error === undefined ? undefined : error instanceof Error ? tellOperator(error) : new FnError('internal').message;
    this.endedAtMs = this.events.elapsedMs;
    this.error = text?.slice(0, 500);
  }

  explanation(): Explanation {
    const { events, endedAtMs, error, timings } = this;
    return {
      call_id: this.callId,
      fn_id: this.fnId,
      app_id: this.appId,
      type: this.type,
      ...(this.traceId !== undefined && { trace_id: this.traceId }),
      arrived_at: formatDate(events.arrivedAt),
      state: endedAtMs === undefined ? 'under way' : error === undefined ? 'answered' : 'failed',
      ...(endedAtMs !== undefined && { ended_at_ms: rounded(endedAtMs) }),
      ...(error !== undefined && { error }),
      events: events.entries.map(({ atMs, event, runner, text }) => ({
        at_ms: rounded(atMs),
        event,
        ...(runner !== undefined && { runner }),
        ...(text !== '' && { text }),
      })),
      omitted: events.omitted,
      ...(timings && { on_runner: onRunner(timings) }),
    };
  }

  /** One-line summary for a header: times of the runner, time in the queue and, for operators, the runners tried. */
  summary(forOperator: boolean): string {
    const parts: string[] = [];
    const duration = (name: string, ms: number) => ms > 0 && parts.push(`; ${name}=${ms.toFixed(1)}ms`);
    const { entries } = this.events;
    duration('queued', queuedMs(entries));
    if (this.timings) {
      const { waited_ms, image_pull_ms, container_prepare_ms, container_create_ms, container_init_ms } = onRunner(
        this.timings,
      );
      duration('waited', waited_ms);
      duration('pull', image_pull_ms);
      duration('prepare', container_prepare_ms);
      duration('create', container_create_ms);
      duration('init', container_init_ms);
    }
    if (!forOperator) return parts.join('');
    const asked = entries.flatMap(({ event, runner, text }) => {
      if (event === 'skipped') return [`${runner} skipped (${text})`];
      return event === 'said' ? [`${runner} ${text}`] : [];
    });
    if (asked.length > 0) parts.push(`; asked=${headerText(asked.slice(0, MAX_ASKED).join(', '))}`);
    return parts.join('');
  }
}

const MAX_ASKED = 16;

/** Makes text safe for a header: addresses and texts of peers may contain any character. */
export function headerText(text: string): string {
  return text.replace(/[^\x20-\x7e]|;/g, '?');
}

/** Total time between each `queued` event and the following `woken`. */
function queuedMs(entries: readonly PlacementEvent[]): number {
  let total = 0;
  let since: number | undefined;
  for (const { event, atMs } of entries) {
    if (event === 'queued') since = atMs;
    else if (event === 'woken' && since !== undefined) {
      total += atMs - since;
      since = undefined;
    }
  }
  return total;
}

function onRunner(timings: ReportedTimings): NonNullable<Explanation['on_runner']> {
  return {
    waited_ms: rounded(timings.schedulerNs / 1e6),
    image_pull_ms: rounded(timings.imagePullWaitNs / 1e6),
    container_prepare_ms: rounded(timings.containerPrepareNs / 1e6),
    container_create_ms: rounded(timings.containerCreateNs / 1e6),
    container_init_ms: rounded(timings.containerInitNs / 1e6),
    executed_ms: rounded(timings.executionNs / 1e6),
  };
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
