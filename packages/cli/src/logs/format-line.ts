import { epochMs, formatDate, KIB, printableLine, type WallMs } from '@fnfleet/core';
import type { LogEntry } from '@fnfleet/protocol';

/** A line of output, and the runner it comes from. */
export interface FleetLine extends LogEntry {
  readonly runner: string;
}

/** Maximum characters shown of one line; runners of fnfleet send 64 KiB at most. */
const MAX_SHOWN = 128 * KIB;
/** Characters shown of a call id. Ids of consecutive calls differ at the end. */
const SHORT_ID = 8;

/** Human-readable: time, runner, end of the call id, stream, text; with control characters escaped. */
export function formatText(line: FleetLine): string {
  return printableLine(`${headOf(line)} ${line.text}`, MAX_SHOWN);
}

/** Like `formatText`, but with the exact bytes that the function printed. */
export function formatRaw(line: FleetLine): Buffer {
  return Buffer.concat([Buffer.from(`${printableLine(headOf(line))} `), line.text]);
}

function headOf({ at, runner, callId, source }: FleetLine): string {
  const call = callId === '' ? '-' : callId.slice(-SHORT_ID);
  const output = source === 'stderr' ? 'err' : 'out';
  return `${timeOf(at)} ${runner} ${call.padStart(SHORT_ID)} ${output}`;
}

/** All fields as one JSON object, for programs; the text is exactly what the function printed. */
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

/** A runner may send any number, even one that is no valid date. */
function timeOf(at: WallMs): string {
  try {
    return formatDate(at);
  } catch {
    return `${epochMs(at)}`;
  }
}
