import { encodeLogBatch, GRPC_STATUS, type ServerCall, type ServerCallHandler } from '@fnfleet/protocol';
import type { FunctionLogs } from './function-logs.js';
import type { CollectorMessage } from './log-session.js';

/** `LogRequestMsg` as the loader of the proto file gives it: the name of what is set, and that. */
interface RequestMessage {
  readonly body?: string;
  readonly start?: { readonly config: Readonly<Record<string, string>> } | null;
}

/** Between bytes and messages, as the loader of the proto file has it. */
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
    // The collector learns at once that it is served, not only with the first line.
    open: () => call.open(),
    send: (batch) => void call.send(coding.responseSerialize(encodeLogBatch(batch))),
    end: () => call.end(GRPC_STATUS.OK, ''),
    fail,
  });
  // As Fn says it.
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
