import type { OutputListener, OutputSource } from '../driver.js';

/** The head of a frame: one byte for the stream, three unused, and four for the length, big-endian. */
const HEAD_BYTES = 8;
const STDERR = 2;

/**
 * Demultiplexes the stream in which the engine sends both outputs of a container. Buffers only an incomplete head; the content
 * of frames is passed on in the chunks in which it arrives.
 */
export class OutputFrames {
  private readonly head = Buffer.alloc(HEAD_BYTES);
  private headBytes = 0;
  private leftInFrame = 0;
  private source: OutputSource = 'stdout';

  push(chunk: Buffer, listener: OutputListener): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.leftInFrame === 0) {
        at += this.readHead(chunk, at);
        continue;
      }
      const piece = chunk.subarray(at, at + this.leftInFrame);
      this.leftInFrame -= piece.length;
      at += piece.length;
      listener(piece, this.source);
    }
  }

  /** Returns how many bytes it consumed. */
  private readHead(chunk: Buffer, at: number): number {
    const taken = chunk.copy(this.head, this.headBytes, at, at + HEAD_BYTES - this.headBytes);
    this.headBytes += taken;
    if (this.headBytes === HEAD_BYTES) {
      this.headBytes = 0;
      this.source = this.head[0] === STDERR ? 'stderr' : 'stdout';
      this.leftInFrame = this.head.readUInt32BE(4);
    }
    return taken;
  }
}
