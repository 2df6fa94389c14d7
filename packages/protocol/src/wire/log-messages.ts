import { epochMs, type WallMs, wallMs } from '@fnfleet/core';
/** One line printed by a function. */
export interface LogEntry {
  /** By the wall clock of the runner. */
  readonly at: WallMs;
  readonly source: 'stdout' | 'stderr';
  readonly text: Buffer;
  /** Empty for what a container prints before its first call. */
  readonly callId: string;
  readonly fnId: string;
  readonly appId: string;
  readonly containerId: string;
}

export interface LogBatch {
  /** In the order in which each container printed them. */
  readonly lines: readonly LogEntry[];
  /** Lines that were dropped before these, because the collector was too slow. A Go runner does not report them. */
  readonly dropped: number;
}

/** `LogResponseMsg` in the object form of the proto loader. */
interface BatchMessage {
  data: ContainerMessage[];
  dropped: number;
}
interface ContainerMessage {
  applicationId: string;
  functionId: string;
  containerId: string;
  data: CallMessage[];
}
interface CallMessage {
  requestId: string;
  data: LineMessage[];
}
interface LineMessage {
  timestamp: number;
  source: 'STDOUT' | 'STDERR';
  data: Buffer;
}

/** The message for a batch: its lines, grouped by container, then by call. */
export function encodeLogBatch({ lines, dropped }: LogBatch): BatchMessage {
  const containers = new Map<string, { message: ContainerMessage; calls: Map<string, CallMessage> }>();
  for (const { at, source, text, callId, fnId, appId, containerId } of lines) {
    let container = containers.get(containerId);
    if (container === undefined) {
      const message = { applicationId: appId, functionId: fnId, containerId, data: [] };
      container = { message, calls: new Map() };
      containers.set(containerId, container);
    }
    let call = container.calls.get(callId);
    if (call === undefined) {
      call = { requestId: callId, data: [] };
      container.calls.set(callId, call);
      container.message.data.push(call);
    }
    call.data.push({ timestamp: epochMs(at), source: source === 'stderr' ? 'STDERR' : 'STDOUT', data: text });
  }
  return { data: [...containers.values()].map(({ message }) => message), dropped };
}

export function decodeLogBatch(message: unknown): LogBatch {
  const { data, dropped } = message as BatchMessage;
  const lines = data.flatMap(({ applicationId: appId, functionId: fnId, containerId, data: calls }) =>
    calls.flatMap(({ requestId: callId, data: printed }) =>
      printed.map(
        ({ timestamp, source, data: text }): LogEntry => ({
          at: wallMs(timestamp),
          source: source === 'STDERR' ? 'stderr' : 'stdout',
          text,
          callId,
          fnId,
          appId,
          containerId,
        }),
      ),
    ),
  );
  return { lines, dropped };
}
