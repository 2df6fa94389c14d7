import type protobuf from 'protobufjs';
import { protoRoot } from './runner-proto.js';

/** What a runner says of itself (`Status`). Counts since its start. */
export interface RunnerStatus {
  /** Engagements open now. */
  readonly active: number;
  readonly requestsReceived: number;
  readonly requestsHandled: number;
  /** The status check itself failed; `errorCode` and `errorText` say how. */
  readonly failed: boolean;
  readonly errorCode: number;
  readonly errorText: string;
  /** What the status image answered. */
  readonly details: string;
  /** The answer of an earlier check was still fresh. */
  readonly cached: boolean;
  readonly networkDisabled: boolean;
}

export function decodeRunnerStatus(bytes: Buffer): RunnerStatus {
  const type = statusType();
  const fields = type.toObject(type.decode(bytes), { longs: Number, defaults: true });
  return {
    active: fields.active,
    requestsReceived: fields.requestsReceived,
    requestsHandled: fields.requestsHandled,
    failed: fields.failed,
    errorCode: fields.errorCode,
    errorText: fields.errorStr,
    details: fields.details,
    cached: fields.cached,
    networkDisabled: fields.isNetworkDisabled,
  };
}

/** The message object that a gRPC handler answers with; what is not known stays unset. */
export function encodeRunnerStatus(status: Partial<RunnerStatus>): Record<string, unknown> {
  return {
    active: status.active,
    requestsReceived: status.requestsReceived,
    requestsHandled: status.requestsHandled,
    failed: status.failed,
    errorCode: status.errorCode,
    errorStr: status.errorText,
    details: status.details,
    cached: status.cached,
    isNetworkDisabled: status.networkDisabled,
  };
}

let cachedType: protobuf.Type | undefined;

function statusType(): protobuf.Type {
  cachedType ??= protoRoot().lookupType('RunnerStatus');
  return cachedType;
}
