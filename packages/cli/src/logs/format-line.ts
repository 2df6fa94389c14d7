import { formatDate } from '@fnfleet/core';
import type { LogEntry } from '@fnfleet/protocol';

/** A line of output, and the runner it comes from. */
export interface FleetLine extends LogEntry {
  readonly runner: string;
}

/** The end of an id is what tells calls apart that are made one after another. */
const SHORT_ID = 8;

/** For a person: time, runner, end of the call id, which output, text. */
export function formatText({ at, runner, callId, source, text }: FleetLine): string {
  const call = callId === '' ? '-' : callId.slice(-SHORT_ID);
  const output = source === 'stderr' ? 'err' : 'out';
  return `${formatDate(at)} ${runner} ${call.padStart(SHORT_ID)} ${output} ${text}`;
}

/** For a program: everything there is to know, as one JSON object. */
export function formatJson({ at, runner, callId, fnId, appId, containerId, source, text }: FleetLine): string {
  return JSON.stringify({
    time: formatDate(at),
    runner,
    app_id: appId,
    fn_id: fnId,
    call_id: callId,
    container_id: containerId,
    source,
    line: text.toString(),
  });
}
