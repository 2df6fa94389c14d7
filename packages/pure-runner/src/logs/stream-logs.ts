import { encodeLogBatch, GRPC_STATUS, type ServerCall, type ServerCallHandler } from '@fnfleet/protocol';
import type { FunctionLogs } from './function-logs.js';
import type { CollectorMessage } from './log-session.js';

/** `LogRequestMsg` as decoded by the proto loader: the name of the field that is set, and its value. */
interface RequestMessage {
  readonly body?: string;
  readonly start?: { readonly config: Readonly<Record<string, string>> } | null;
}

/** The codec of the proto loader. */
interface Coding {
  readonly requestDeserialize: (bytes: Buffer) => RequestMessage;
  readonly responseSerialize: (message: object) => Buffer;
}

const NOBODY: ServerCallHandler = {
  onMessage: () => undefined,
  onHalfClose: () => undefined,
  onCancelled: () => undefined,
};

/** Serves one collector over gRPC. */
export function streamLogs(call: ServerCall, coding: Coding, logs: FunctionLogs | undefined): ServerCallHandler {
  const fail = (code: number, details: string) => call.end(code, details);
  const session = logs?.accept({
    // Confirms the session at once, not only with the first line.
    open: () => call.open(),
    send: (batch) => void call.send(coding.responseSerialize(encodeLogBatch(batch))),
    end: () => call.end(GRPC_STATUS.OK, ''),
    fail,
  });
  // The message of Fn.
  if (logs === undefined) fail(GRPC_STATUS.UNKNOWN, 'runner not configured with logStreamer');
  if (session === undefined) return NOBODY;
  return {
    onMessage: (bytes) => session.onMessage(messageOf(coding.requestDeserialize(bytes))),
    onHalfClose: () => session.onHalfClose(),
    onCancelled: () => session.onGone(),
  };
}

function messageOf({ body, start }: RequestMessage): CollectorMessage {
  if (body === 'start') return { kind: 'start', config: start?.config ?? {} };
  return { kind: body === 'ack' || body === 'ready' ? body : 'unknown' };
}
