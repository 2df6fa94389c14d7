import { FRAME, FRAME_HEADER_BYTES, PREFACE } from '../wire.js';

export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags = 0, stream = 0, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(FRAME_HEADER_BYTES);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** The first bytes of a client; or of a server, without the preface. */
export const SETTINGS = frame(FRAME.SETTINGS);
export const HELLO = Buffer.concat([PREFACE, SETTINGS]);

/** The frames in written data, without a preface. */
export function framesIn(bytes: Buffer): RawFrame[] {
  const frames: RawFrame[] = [];
  let at = bytes.subarray(0, PREFACE.length).equals(PREFACE) ? PREFACE.length : 0;
  while (at < bytes.length) {
    const end = at + FRAME_HEADER_BYTES + bytes.readUIntBE(at, 3);
    frames.push({
      type: bytes[at + 3] ?? -1,
      flags: bytes[at + 4] ?? -1,
      stream: bytes.readUInt32BE(at + 5),
      payload: bytes.subarray(at + FRAME_HEADER_BYTES, end),
    });
    at = end;
  }
  return frames;
}
