import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { giveSlab } from '@fnfleet/core';

const LAST_CHUNK = '0\r\n\r\n';

export interface UploadListener {
  /** The body was cut off. @param error undefined when its stream closed without one */
  onUploadFailed(error: Error | undefined): void;
  /**
   * Everything received so far has been sent, and more is expected.
   * @param bytes how many arrived since the last report
   */
  onUploadWaits(bytes: number): void;
  /** The other side does not accept the available data. */
  onUploadBlocked(): void;
  /** The body has been sent completely. */
  onUploaded(): void;
}

/** Beyond this, pieces do not wait for the end of the turn. */
const CHUNK_BYTES = 64 * 1024;

/**
 * Sends a request body of unknown length in chunks, no faster than the other side accepts them. What arrives in one turn of the event
 * loop is one chunk and leaves in one write.
 */
export class Upload {
  private complete = false;
  private closed = false;
  private pieces: Buffer[] = [];
  private bytes = 0;
  private scheduled = false;

  constructor(
    private readonly socket: Socket,
    private readonly body: Readable,
    private readonly listener: UploadListener,
  ) {
    body.on('data', this.onData).once('end', this.onEnd).once('error', this.onError).once('close', this.onClose);
  }

  /** The whole body has been written. */
  get isComplete(): boolean {
    return this.complete;
  }

  /** Stops writing. Idempotent. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.pieces = [];
    this.socket.off('drain', this.onDrain);
    // The listeners of its end and its errors stay, and do nothing.
    this.body.off('data', this.onData);
  }

  private readonly onData = (piece: Buffer): void => {
    if (piece.length === 0) return;
    this.pieces.push(piece);
    this.bytes += piece.length;
    if (this.bytes >= CHUNK_BYTES) return this.send();
    if (this.scheduled) return;
    this.scheduled = true;
    process.nextTick(this.endTurn);
  };

  private readonly endTurn = (): void => {
    this.scheduled = false;
    this.send();
  };

  private send(): void {
    const { socket, body, bytes } = this;
    if (this.pieces.length === 0) return;
    socket.cork();
    const hasRoom = this.writeChunk();
    socket.uncork();
    if (hasRoom) return this.listener.onUploadWaits(bytes);
    body.pause();
    socket.once('drain', this.onDrain);
    this.listener.onUploadBlocked();
  }

  private writeChunk(): boolean {
    const { socket, pieces, bytes } = this;
    this.pieces = [];
    this.bytes = 0;
    socket.write(`${bytes.toString(16)}\r\n`, 'latin1');
    for (const piece of pieces) socket.write(piece, (error) => error || giveSlab(piece));
    return socket.write('\r\n', 'latin1');
  }

  private readonly onDrain = (): void => {
    this.listener.onUploadWaits(0);
    this.body.resume();
  };

  private readonly onEnd = (): void => {
    if (this.closed) return;
    this.complete = true;
    const { socket } = this;
    socket.cork();
    if (this.pieces.length > 0) this.writeChunk();
    socket.write(LAST_CHUNK, 'latin1');
    socket.uncork();
    this.listener.onUploaded();
  };

  private readonly onError = (error: Error): void => {
    if (!this.closed) this.listener.onUploadFailed(error);
  };

  private readonly onClose = (): void => {
    if (!this.closed && !this.complete) this.listener.onUploadFailed(undefined);
  };
}
