import { STARTED_HEADER, type StartAckMode, startAckHeader } from '../engage/start-ack.js';
import { INSTANCE_ID_HEADER, LOAD_TRAILER } from '../wire/orca.js';
import { encodeMessage } from './grpc-status.js';
import { encodeField, encodeHeaders, MAX_INTEGER_BYTES, writeInteger } from './hpack/encoder.js';

const RESPONSE = [
  [':status', '200'],
  ['content-type', 'application/grpc'],
] as const;

/** The head of a plain gRPC response. */
export const PLAIN_HEAD = encodeHeaders(RESPONSE);

/** The heads of answers to Engage, encoded once per runner. */
export class EngageHeads {
  private readonly byStartAckMode: Readonly<Record<StartAckMode, Buffer>>;

  /** @param instanceId identifies the runner's process to balancers */
  constructor(instanceId: string) {
    const common = [...RESPONSE, [INSTANCE_ID_HEADER, instanceId]] as const;
    const promising = (promise: StartAckMode) => encodeHeaders([...common, [STARTED_HEADER, startAckHeader(promise)]]);
    this.byStartAckMode = {
      none: encodeHeaders(common),
      announced: promising('announced'),
      confirmed: promising('confirmed'),
    };
  }

  of(promise: StartAckMode): Buffer {
    return this.byStartAckMode[promise];
  }
}

const OK_TRAILERS = encodeHeaders([['grpc-status', '0']]);

/** Status OK and the name of the load, whose value follows: the trailers of almost every call. */
const OK_WITH_LOAD = Buffer.concat([OK_TRAILERS, encodeField(LOAD_TRAILER, '').subarray(0, -1)]);

function okWithLoad(load: string): Buffer {
  const at = OK_WITH_LOAD.length;
  const block = Buffer.allocUnsafe(at + MAX_INTEGER_BYTES + load.length);
  OK_WITH_LOAD.copy(block);
  const start = writeInteger(block, at, load.length, 0x7f);
  block.write(load, start, 'latin1');
  return block.subarray(0, start + load.length);
}

/** @param load encoded, for the trailing metadata */
export function trailers(code: number, details: string, load?: string): Buffer {
  if (code === 0) return load === undefined ? OK_TRAILERS : okWithLoad(load);
  const parts = [encodeField('grpc-status', `${code}`)];
  if (details !== '') parts.push(encodeField('grpc-message', encodeMessage(details)));
  if (load !== undefined) parts.push(encodeField(LOAD_TRAILER, load));
  return Buffer.concat(parts);
}
