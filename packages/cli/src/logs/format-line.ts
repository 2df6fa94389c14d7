import { epochMs, formatDate, KIB, printableLine, type WallMs } from '@fnfleet/core';
import type { LogEntry } from '@fnfleet/protocol';

/** A line of output, and the runner it comes from. */
export interface FleetLine extends LogEntry {
  readonly runner: string;
}

/** Characters of what is shown of one line; runners of fnfleet send 64 KiB at most. */
const MAX_SHOWN = 128 * KIB;
/** The end of an id is what tells calls apart that are made one after another. */
const SHORT_ID = 8;

/** For a person: time, runner, end of the call id, which output, text; with control characters escaped. */
export function formatText(line: FleetLine): string {
  return printableLine(`${headOf(line)} ${line.text}`, MAX_SHOWN);
}

/** The same with the very bytes that the function printed. */
export function formatRaw(line: FleetLine): Buffer {
  return Buffer.concat([Buffer.from(`${printableLine(headOf(line))} `), line.text]);
}

function headOf({ at, runner, callId, source }: FleetLine): string {
  const call = callId === '' ? '-' : callId.slice(-SHORT_ID);
  const output = source === 'stderr' ? 'err' : 'out';
  return `${timeOf(at)} ${runner} ${call.padStart(SHORT_ID)} ${output}`;
}

/** For a program: everything there is to know, as one JSON object, whose content is as the function printed it. */
export function formatJson({ at, runner, callId, fnId, appId, containerId, source, text }: FleetLine): string {
  const json = JSON.stringify({
    time: timeOf(at),
    runner,
    app_id: appId,
    fn_id: fnId,
    call_id: callId,
    container_id: containerId,
    source,
    line: text.toString(),
  });
  return printableLine(json);
}

/** A runner may send any number. */
function timeOf(at: WallMs): string {
  try {
    return formatDate(at);
  } catch {
    return `${epochMs(at)}`;
  }
}
