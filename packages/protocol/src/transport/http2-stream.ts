import type { BorrowedBytes } from '@fnfleet/core';
import { HeaderList } from './header-list.js';
import type { Outbox } from './outbox.js';
import { FLAG, FRAME, H2_ERROR } from './wire.js';

/** Receives the events of a stream. Never called from within a call to the stream. If it throws, the stream is lost, but not the connection. */
export interface StreamListener {
  /** The head of the answer, or trailers. */
  onHeaders(list: HeaderList): void;
  onData(bytes: BorrowedBytes): void;
  /** The peer has ended its half; only `onClose` follows. */
  onEnd(): void;
  /** Everything that had to wait for the peer has been sent. */
  onWritable(): void;
  /** The stream is over and was not reset from here; may be called within the call that ends it. Undefined: both ends have ended it. */
  onClose(loss: StreamLoss | undefined): void;
}

/** How a stream was lost. */
export interface StreamLoss {
  readonly message: string;
  /** The peer has certainly not processed it. */
  readonly unprocessed: boolean;
  /** Everything that the peer sent on it has been read. */
  readonly allDataRead: boolean;
  /** HTTP/2 error code of the peer's reset; undefined: the connection was lost. */
  readonly resetCode: number | undefined;
}

/** What a stream needs from its connection. */
export interface StreamCarrier {
  readonly isClient: boolean;
  readonly outbox: Outbox;
  /** Limit of the peer for a frame, bytes. */
  readonly maxFrameBytes: number;
  /** Whether the outbox has room for frames of streams. */
  readonly mayWrite: boolean;
  /** Send window of the connection, bytes. */
  sendWindow: number;
  /** Something of the stream waits for room. */
  waits(stream: Http2Stream): void;
  /** A frame has been written to the outbox. */
  wrote(): void;
  /** Received bytes were delivered or dropped: the peer may send as many again. */
  consumed(bytes: number): void;
  /** Schedules the delivery of buffered data. */
  deliverLater(stream: Http2Stream): void;
  /** No frame of the stream will be sent or expected any more. */
  left(stream: Http2Stream): void;
  windowUpdate(streamId: number, bytes: number): void;
  resetStream(streamId: number, code: number): void;
  /** One of our streams begins and gets its number. */
  numbered(stream: Http2Stream): number;
}

/** Bytes for a DATA frame that are produced directly in the outbox. */
export interface Payload {
  readonly length: number;
  writeTo(memory: Buffer, at: number): void;
  /** Called if it has to wait: returns the same in bytes that nobody changes. */
  kept(): Buffer | Payload;
}

/** A waiting frame, or the rest of it. */
interface Waiting {
  readonly type: typeof FRAME.DATA | typeof FRAME.HEADERS;
  bytes: Buffer | Payload;
  readonly last: boolean;
  readonly onSent: (() => void) | undefined;
}

const NO_BYTES = Buffer.alloc(0);

function isPayload(bytes: Buffer | Payload): bytes is Payload {
  return !(bytes instanceof Uint8Array);
}

/** The payload as bytes. */
export function inMemory(payload: Payload): Buffer {
  const bytes = Buffer.allocUnsafe(payload.length);
  payload.writeTo(bytes, 0);
  return bytes;
}

/**
 * One HTTP/2 stream. Data that the peer's windows or a full outbox hold back waits here, and is dropped if the stream is reset. Data
 * that arrives while it is paused is buffered, up to its window.
 */
export class Http2Stream {
  id = 0;
  /** Whether it is queued for sending in the connection. */
  queued = false;
  /** For one of our streams: the head of the answer has arrived. */
  hasHead = false;
  listener: StreamListener | undefined;
  private waiting: Waiting[] | undefined;
  /** This end has sent or queued its last frame. */
  private localEnding = false;
  private localEnded = false;
  private remoteEnded = false;
  private paused = false;
  private held: (Buffer | HeaderList)[] | undefined;
  private heldBytes = 0;
  private unacknowledged = 0;
  private gone = false;
  /** Looks without a byte sent, while data waits. */
  stalledLooks = 0;

  constructor(
    private readonly carrier: StreamCarrier,
    private readonly windowBytes: number,
    /** Send window, bytes; below 0 if the peer has reduced it. */
    public sendWindow: number,
  ) {
    this.receiveWindow = windowBytes;
  }

  private receiveWindow: number;

  /** Nothing is sent or received any more. */
  get isClosed(): boolean {
    return this.gone;
  }

  get hasEnded(): boolean {
    return this.localEnding;
  }

  get remoteHasEnded(): boolean {
    return this.remoteEnded;
  }

  get isWaiting(): boolean {
    return this.waiting !== undefined;
  }

  // --- sending ---

  /** @param block in HPACK */
  sendHeaders(block: Buffer, last: boolean): boolean {
    return this.send(FRAME.HEADERS, block, last, undefined);
  }

  /**
   * @param onSent called when all bytes are in the buffer of the socket
   * @returns false: the data waits, send no more until `onWritable`
   */
  sendData(bytes: Buffer | Payload, last = false, onSent?: () => void): boolean {
    return this.send(FRAME.DATA, bytes, last, onSent);
  }

  /** Ends this half. */
  end(): void {
    if (this.gone) return;
    if (this.waiting === undefined && this.carrier.outbox.endData(this.id)) {
      this.localEnding = true;
      this.endLocal();
      return;
    }
    this.sendData(NO_BYTES, true);
  }

  private send(
    type: Waiting['type'],
    bytes: Buffer | Payload,
    last: boolean,
    onSent: (() => void) | undefined,
  ): boolean {
    if (this.gone || this.localEnding) return false;
    this.localEnding = last;
    const { carrier } = this;
    if (this.waiting === undefined && carrier.mayWrite) {
      if (type === FRAME.HEADERS) {
        this.writeHeaders(bytes as Buffer, last);
        return !last;
      }
      const { length } = bytes;
      if (length <= carrier.maxFrameBytes && (length === 0 || length <= this.window)) {
        this.writeData(bytes, length, last);
        onSent?.();
        return !last;
      }
    }
    this.waiting ??= [];
    this.waiting.push({ type, bytes: isPayload(bytes) ? bytes.kept() : bytes, last, onSent });
    carrier.waits(this);
    return false;
  }

  private get window(): number {
    return Math.min(this.sendWindow, this.carrier.sendWindow);
  }

  private writeHeaders(block: Buffer, last: boolean): void {
    const { carrier } = this;
    const { outbox, maxFrameBytes } = carrier;
    if (this.id === 0) this.id = carrier.numbered(this);
    let type: number = FRAME.HEADERS;
    let flags: number = last ? FLAG.END_STREAM : FLAG.NONE;
    for (let at = 0; at === 0 || at < block.length; at += maxFrameBytes) {
      const end = Math.min(block.length, at + maxFrameBytes);
      if (end === block.length) flags |= FLAG.END_HEADERS;
      const start = outbox.frame(type, flags, this.id, end - at);
      block.copy(outbox.memory, start, at, end);
      type = FRAME.CONTINUATION;
      flags = FLAG.NONE;
    }
    carrier.wrote();
    if (last) this.endLocal();
  }

  private writeData(bytes: Buffer | Payload, length: number, last: boolean): void {
    const { carrier } = this;
    const { outbox } = carrier;
    const start = outbox.data(this.id, length, carrier.maxFrameBytes, last);
    if (length > 0) {
      if (isPayload(bytes)) bytes.writeTo(outbox.memory, start);
      else bytes.copy(outbox.memory, start, 0, length);
      this.sendWindow -= length;
      carrier.sendWindow -= length;
      this.stalledLooks = 0;
    }
    carrier.wrote();
    if (last) this.endLocal();
  }

  /** Sends one waiting frame if possible. */
  sendWaiting(): void {
    const next = this.waiting?.[0];
    if (next === undefined) return;
    if (next.type === FRAME.HEADERS) this.writeHeaders(next.bytes as Buffer, next.last);
    else {
      const { length } = next.bytes;
      const room = Math.min(length, this.window, this.carrier.maxFrameBytes);
      if (room <= 0 && length > 0) return;
      if (room < length && isPayload(next.bytes)) next.bytes = inMemory(next.bytes);
      this.writeData(next.bytes, room, next.last && room === length);
      if (room < length) {
        next.bytes = (next.bytes as Buffer).subarray(room);
        return;
      }
      next.onSent?.();
    }
    // Its last frame may have ended it.
    if (this.waiting === undefined) return;
    this.waiting.shift();
    if (this.waiting.length > 0) return;
    this.waiting = undefined;
    if (!this.localEnding) this.listener?.onWritable();
  }

  /** Whether waiting data is blocked by the stream's own window. */
  get isBlocked(): boolean {
    const next = this.waiting?.[0];
    return next !== undefined && next.type === FRAME.DATA && next.bytes.length > 0 && this.sendWindow <= 0;
  }

  private endLocal(): void {
    const { carrier } = this;
    this.localEnded = true;
    if (!this.remoteEnded && !carrier.isClient) {
      // The answer is complete; the rest of the request is not wanted. Clients of Fn never end it by themselves.
      carrier.resetStream(this.id, H2_ERROR.NO_ERROR);
      this.leave();
      const { listener } = this;
      this.drop();
      listener?.onClose(undefined);
    } else if (this.remoteEnded && this.held === undefined) {
      this.leave();
      this.over();
    }
  }

  // --- receiving; called by the connection ---

  /** @param flowBytes size for flow control, including padding */
  receiveData(bytes: BorrowedBytes, flowBytes: number, last: boolean): void {
    this.receiveWindow -= flowBytes;
    this.acknowledge(flowBytes - bytes.length); // padding is not delivered
    if (last) this.endRemote();
    if (bytes.length > 0) {
      if (this.paused || this.held !== undefined) this.hold(bytes);
      else {
        this.acknowledge(bytes.length);
        this.listener?.onData(bytes);
      }
    }
    if (last) this.deliverEnd();
  }

  /** The peer sends more than its window. */
  exceeds(flowBytes: number): boolean {
    return flowBytes > this.receiveWindow;
  }

  receiveHeaders(list: HeaderList, last: boolean): void {
    if (last) this.endRemote();
    if (this.held !== undefined) this.held.push(list);
    else this.listener?.onHeaders(list);
    if (last) this.deliverEnd();
  }

  receiveReset(code: number): void {
    this.lose({
      message: `stream reset, code ${code}`,
      unprocessed: code === H2_ERROR.REFUSED_STREAM,
      allDataRead: true,
      resetCode: code,
    });
  }

  /** The connection is lost, or the peer has reset the stream. */
  lose(loss: StreamLoss): void {
    const complete = this.carrier.isClient && this.remoteEnded;
    this.leave();
    if (complete) return; // buffered data can still be delivered
    const { listener } = this;
    this.drop();
    listener?.onClose(loss);
  }

  // --- flow control ---

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    if (this.held !== undefined) this.carrier.deliverLater(this);
  }

  /** Called by the connection, after `deliverLater`. */
  deliver(): void {
    while (!this.paused && this.held !== undefined) {
      const next = this.held.shift();
      if (next === undefined) {
        this.held = undefined;
        if (this.remoteEnded) this.deliverEnd();
        return;
      }
      if (next instanceof HeaderList) this.listener?.onHeaders(next);
      else {
        this.heldBytes -= next.length;
        this.acknowledge(next.length);
        this.listener?.onData(next);
      }
    }
  }

  /** Ends both halves now, without callbacks. */
  reset(code: number): void {
    if (!this.gone) {
      if (this.id !== 0) this.carrier.resetStream(this.id, code);
      this.leave();
    }
    this.drop();
  }

  private endRemote(): void {
    this.remoteEnded = true;
  }

  private deliverEnd(): void {
    if (this.held !== undefined) return;
    if (this.localEnded) this.leave();
    this.listener?.onEnd();
    if (this.gone) this.over();
  }

  private over(): void {
    const { listener } = this;
    this.listener = undefined;
    listener?.onClose(undefined);
  }

  private hold(bytes: BorrowedBytes): void {
    this.held ??= [];
    this.held.push(Buffer.from(bytes));
    this.heldBytes += bytes.length;
  }

  private acknowledge(bytes: number): void {
    this.carrier.consumed(bytes);
    if (this.remoteEnded) return;
    this.unacknowledged += bytes;
    if (this.unacknowledged < this.windowBytes / 2) return;
    this.receiveWindow += this.unacknowledged;
    this.carrier.windowUpdate(this.id, this.unacknowledged);
    this.unacknowledged = 0;
  }

  private leave(): void {
    if (this.gone) return;
    this.gone = true;
    this.waiting = undefined;
    this.carrier.left(this);
  }

  private drop(): void {
    this.listener = undefined;
    this.held = undefined;
    this.carrier.consumed(this.heldBytes);
    this.heldBytes = 0;
  }
}
