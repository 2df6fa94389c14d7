import { type ClientMessage, encodeClientMessage, encodeRunnerMessage, type RunnerMessage } from '@fnfleet/protocol';
import type { HeaderLines } from './hpack.js';

/** The headers of a gRPC request on a raw connection. */
export function grpcRequest(path: string, extra: HeaderLines = []): HeaderLines {
  return [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':authority', 'runner'],
    [':path', path],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
    ...extra,
  ];
}

export const ENGAGE_REQUEST: HeaderLines = grpcRequest('/RunnerProtocol/Engage');

export const GRPC_RESPONSE: HeaderLines = [
  [':status', '200'],
  ['content-type', 'application/grpc'],
];

export const GRPC_OK: HeaderLines = [['grpc-status', '0']];

/** Frames one gRPC message. */
export function grpcMessage(message: Buffer): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

export function fromBalancer(...messages: readonly ClientMessage[]): Buffer {
  return Buffer.concat(messages.map((message) => grpcMessage(encodeClientMessage(message))));
}

export function fromRunner(...messages: readonly RunnerMessage[]): Buffer {
  return Buffer.concat(messages.map((message) => grpcMessage(encodeRunnerMessage(message))));
}
