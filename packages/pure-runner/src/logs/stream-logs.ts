import { encodeLogBatch, GRPC_STATUS } from '@fnfleet/protocol';
import { Metadata, type ServerDuplexStream } from '@grpc/grpc-js';
import type { FunctionLogs } from './function-logs.js';
import type { CollectorMessage } from './log-session.js';

/** `LogRequestMsg` as the loader of the proto file gives it: the name of what is set, and that. */
interface RequestMessage {
  readonly body?: string;
  readonly start?: { readonly config: Readonly<Record<string, string>> } | null;
}

/** Serves one collector over gRPC. */
export function streamLogs(call: ServerDuplexStream<unknown, unknown>, logs: FunctionLogs | undefined): void {
  const fail = (code: number, details: string) => void call.emit('error', { code, details });
  // As Fn says it.
  if (logs === undefined) return fail(GRPC_STATUS.UNKNOWN, 'runner not configured with logStreamer');
  const session = logs.accept({
    // The collector learns at once that it is served, not only with the first line.
    open: () => call.sendMetadata(new Metadata()),
    send: (batch) => void call.write(encodeLogBatch(batch)),
    end: () => call.end(),
    fail,
  });
  if (session === undefined) return;
  call.on('data', (message: RequestMessage) => session.onMessage(messageOf(message)));
  call.on('end', () => session.onHalfClose());
  call.on('cancelled', () => session.onGone());
  call.on('error', () => session.onGone());
}

function messageOf({ body, start }: RequestMessage): CollectorMessage {
  if (body === 'start') return { kind: 'start', config: start?.config ?? {} };
  return { kind: body === 'ack' || body === 'ready' ? body : 'unknown' };
}
