import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';

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

/** Sends a request body of unknown length in chunks, no faster than the other side accepts them. */
export class Upload {
  private complete = false;
  private stopped = false;

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
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.socket.off('drain', this.onDrain);
    // The listeners of its end and its errors stay, and do nothing.
    this.body.off('data', this.onData);
  }

  private readonly onData = (chunk: Buffer): void => {
    if (chunk.length === 0) return;
    const { socket, body } = this;
    socket.cork();
    socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1');
    socket.write(chunk);
    const hasRoom = socket.write('\r\n', 'latin1');
    socket.uncork();
    if (hasRoom) return this.listener.onUploadWaits(chunk.length);
    body.pause();
    socket.once('drain', this.onDrain);
    this.listener.onUploadBlocked();
  };

  private readonly onDrain = (): void => {
    this.listener.onUploadWaits(0);
    this.body.resume();
  };

  private readonly onEnd = (): void => {
    if (this.stopped) return;
    this.complete = true;
    this.socket.write(LAST_CHUNK, 'latin1');
    this.listener.onUploaded();
  };

  private readonly onError = (error: Error): void => {
    if (!this.stopped) this.listener.onUploadFailed(error);
  };

  private readonly onClose = (): void => {
    if (!this.stopped && !this.complete) this.listener.onUploadFailed(undefined);
  };
}
