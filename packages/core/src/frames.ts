import { FnError } from './errors/fn-error.js';

/** A text with bytes: how calls and results travel between balancers and API nodes, without an encoding of their bytes. */
export interface Frame {
  readonly head: string;
  readonly body: Uint8Array;
}

/** Two lengths of 32 bits each, big-endian: of the head in UTF-8, and of the body. They follow in this order. */
const PREFIX_BYTES = 8;

export function encodeFrames(frames: readonly Frame[]): Buffer {
  let size = 0;
  for (const { head, body } of frames) size += PREFIX_BYTES + Buffer.byteLength(head) + body.length;
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  for (const { head, body } of frames) {
    const headBytes = bytes.write(head, at + PREFIX_BYTES);
    bytes.writeUInt32BE(headBytes, at);
    bytes.writeUInt32BE(body.length, at + 4);
    bytes.set(body, at + PREFIX_BYTES + headBytes);
    at += PREFIX_BYTES + headBytes + body.length;
  }
  return bytes;
}

/**
 * @returns frames whose bodies share memory with the given bytes
 * @throws FnError `badRequest` if they are malformed, or more than `maxFrames`
 */
export function decodeFrames(bytes: Buffer, maxFrames: number): Frame[] {
  const frames: Frame[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (frames.length === maxFrames) throw malformed(`more than ${maxFrames} frames`);
    if (bytes.length - at < PREFIX_BYTES) throw malformed('the last frame is incomplete');
    const bodyAt = at + PREFIX_BYTES + bytes.readUInt32BE(at);
    const end = bodyAt + bytes.readUInt32BE(at + 4);
    if (end > bytes.length) throw malformed('the last frame is incomplete');
    frames.push({ head: bytes.toString('utf8', at + PREFIX_BYTES, bodyAt), body: bytes.subarray(bodyAt, end) });
    at = end;
  }
  return frames;
}

function malformed(reason: string): FnError {
  return new FnError('badRequest', { params: { reason } });
}
