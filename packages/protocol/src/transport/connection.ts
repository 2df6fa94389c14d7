import type { Socket } from 'node:net';
import { shareReads } from '@fnfleet/core';
import type { ConnectionOptions } from './connection-options.js';
import { AssemblyBudget } from './grpc-frames.js';
import { Http2Stream, type StreamCarrier, type StreamLoss } from './http2-stream.js';
import { Outbox } from './outbox.js';
import { Pings } from './pings.js';
import { MAX_HEADER_LIST_BYTES, Receiver, type ReceiverHost } from './receiver.js';
import { Sender, type SenderHost } from './sender.js';
import { StreamTable } from './stream-table.js';
import { atTurnEnd } from './turn.js';
import { readUnread } from './unread.js';
import { ConnectionError, DEFAULT_WINDOW_BYTES, H2_ERROR, MAX_FRAME_BYTES, MAX_STREAM_ID, SETTING } from './wire.js';

/** Limit for incomplete messages over all streams, bytes. */
const ASSEMBLY_BYTES = 64 * 1024 * 1024;

/**
 * One HTTP/2 connection, client or server, on a connected socket.
 *
 *   open ──goaway sent or received──▶ leaving ──last stream over──▶ closed
 *     └────────────── lost, a violation, destroy ────────────────────▲
 *
 * H1  What streams send in one turn of the event loop leaves in one write.
 * H2  Nothing is thrown out of this class, whatever a peer sends or a listener throws.
 * H3  What a peer can make this end hold is bounded: what it sends by windows, what it does not read by the outbox, what it
 *     repeats by counters.
 * H4  onClose is called once, after every stream was notified.
 */
export class Connection implements StreamCarrier, SenderHost, ReceiverHost {
  readonly isClient: boolean;
  readonly outbox: Outbox;
  readonly assembly = new AssemblyBudget(ASSEMBLY_BYTES);
  sendWindow = DEFAULT_WINDOW_BYTES;
  maxFrameBytes = MAX_FRAME_BYTES;

  private readonly streams: StreamTable;
  private readonly sender: Sender;
  private readonly receiver: Receiver;
  private readonly pings: Pings;
  private closed = false;
  private allDataRead = false;
  private socketError: Error | undefined;
  private leaving = false;
  private flushing = false;
  /** Whether the socket has accepted something since the last look. */
  private moved = false;
  private stuckLooks = 0;

  constructor(
    private readonly socket: Socket,
    private readonly options: ConnectionOptions,
  ) {
    this.isClient = options.role === 'client';
    this.outbox = new Outbox(
      socket,
      () => this.taken(),
      () => this.readToEnd(),
    );
    this.pings = new Pings(this.outbox);
    this.streams = new StreamTable(this.isClient);
    this.sender = new Sender(this.outbox, this);
    this.receiver = new Receiver(this, options, this.streams, this.sender, this.pings);
    shareReads(socket, (chunk) => this.receiver.receive(chunk));
    socket.once('end', () => {
      this.allDataRead = true;
      this.close(this.socketError ?? new Error('the peer closed the connection'));
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET' && error.syscall === 'read') this.allDataRead = true;
      this.socketError ??= error;
      this.close(error);
    });
    socket.once('close', () => this.close(this.socketError ?? new Error('the connection was closed')));
    this.greet();
  }

  get isClosed(): boolean {
    return this.closed;
  }

  get bytesRead(): number {
    return this.receiver.bytesRead;
  }

  get openStreams(): number {
    return this.streams.size;
  }

  /** Streams queued for sending, some of which may be closed. */
  get waitingStreams(): number {
    return this.sender.waiting;
  }

  /** Whether the peer accepts another stream, as far as is known. */
  get takesStreams(): boolean {
    return !this.closed && !this.leaving && this.streams.mayOpen;
  }

  // --- for users of the connection ---

  /** Opens a stream. Only while `takesStreams`. @param head in HPACK */
  request(head: Buffer, listener: Http2Stream['listener']): Http2Stream {
    const stream = this.newStream();
    stream.listener = listener;
    this.streams.waits();
    stream.sendHeaders(head, false);
    return stream;
  }

  /** Sends a PING, after everything that was sent before. Calls back with the answer, or never. */
  ping(answered: () => void): void {
    this.pings.send(answered);
    this.sender.touch();
  }

  /** Calls back once, at the end of this turn, before what was collected is sent; never, if the connection is lost before. */
  beforeFlush(callback: () => void): void {
    this.sender.beforeFlush(callback);
  }

  /** Calls back when the peer has sent another PING. It is answered in the same turn. */
  onNextPing(callback: () => void): void {
    this.pings.onNext(callback);
  }

  /** Calls back when the socket has accepted everything that was sent so far; never, if the connection is lost before. */
  whenTaken(callback: () => void): void {
    this.outbox.whenTaken(() => this.protect(callback));
  }

  /** Sends at once what was collected. */
  flush(): void {
    this.outbox.flush();
  }

  /**
   * Accepts no more streams, in two steps: first it announces this, then, when the peer knows, it names the last stream. Closes when
   * that is over.
   */
  closeGracefully(): void {
    if (this.leaving) return;
    this.leaving = true;
    if (this.isClient) {
      this.sender.goaway(H2_ERROR.NO_ERROR, this.streams.lastPeerId, '');
      return this.closeIfIdle();
    }
    this.sender.goaway(H2_ERROR.NO_ERROR, MAX_STREAM_ID, '');
    this.ping(() => {
      this.sender.goaway(H2_ERROR.NO_ERROR, this.streams.lastPeerId, '');
      this.closeIfIdle();
    });
    this.flush();
  }

  /** Closes the connection at once. */
  destroy(error: Error): void {
    this.close(error);
  }

  /** Must be called every few seconds, and resets counters. @param mayCut whether to disconnect a peer that does not read */
  look(mayCut = true): void {
    this.receiver.look();
    this.stuckLooks = this.outbox.isWriting && !this.moved ? this.stuckLooks + 1 : 0;
    this.moved = false;
    if (mayCut && this.stuckLooks > this.options.stuckLooks) return this.close(new Error('the peer does not read'));
    for (const stream of this.streams.all()) this.lookAt(stream);
  }

  /** A complete answer must not wait forever for a peer that does not read it. */
  private lookAt(stream: Http2Stream): void {
    if (!stream.isWaiting || !stream.hasEnded) return;
    stream.stalledLooks += 1;
    if (stream.stalledLooks <= this.options.stalledLooks) return;
    this.resetStream(stream.id, H2_ERROR.CANCEL);
    const message = 'the peer does not read a complete response';
    this.protect(() => stream.lose({ message, unprocessed: false, allDataRead: false, resetCode: undefined }));
  }

  // --- for streams ---

  get mayWrite(): boolean {
    return this.sender.isOpen;
  }

  numbered(stream: Http2Stream): number {
    return this.streams.begin(stream);
  }

  waits(stream: Http2Stream): void {
    this.sender.waits(stream);
  }

  wrote(): void {
    this.sender.wrote();
  }

  consumed(bytes: number): void {
    this.receiver.consumed(bytes);
  }

  deliverLater(stream: Http2Stream): void {
    atTurnEnd(() => this.guarded(stream, () => stream.deliver()));
  }

  windowUpdate(streamId: number, bytes: number): void {
    this.sender.windowUpdate(streamId, bytes);
  }

  resetStream(streamId: number, code: number): void {
    this.sender.resetStream(streamId, code);
  }

  left(stream: Http2Stream): void {
    if (stream.queued) this.sender.left();
    this.streams.remove(stream);
    if (this.leaving) atTurnEnd(() => this.closeIfIdle());
  }

  // --- for both halves ---

  newStream(): Http2Stream {
    return new Http2Stream(this, this.options.streamWindowBytes, this.streams.sendWindowBytes);
  }

  /** A listener has thrown (H2). */
  fault(stream: Http2Stream, error: unknown): void {
    if (error instanceof ConnectionError) return this.violation(error);
    this.options.events.onFault?.(error as Error);
    if (!stream.isClosed) this.resetStream(stream.id, H2_ERROR.INTERNAL_ERROR);
    const loss: StreamLoss = {
      message: (error as Error).message,
      unprocessed: false,
      allDataRead: false,
      resetCode: undefined,
    };
    this.protect(() => stream.lose(loss));
  }

  guarded(stream: Http2Stream, act: () => void): void {
    try {
      act();
    } catch (error) {
      this.fault(stream, error);
    }
  }

  /** Runs code of a listener, which may throw (H2). */
  protect(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.options.events.onFault?.(error as Error);
    }
  }

  peerLeaves(lastId: number, code: number): void {
    const message = `the peer said GOAWAY, code ${code}`;
    if (this.isClient) {
      this.leaving = true;
      const loss = { message, unprocessed: true, allDataRead: true, resetCode: undefined };
      const refused = this.streams.all().filter((stream) => stream.id > lastId);
      for (const stream of [...refused, ...this.sender.notBegun()]) this.guarded(stream, () => stream.lose(loss));
      this.options.events.onGoaway?.();
    }
    if (code !== H2_ERROR.NO_ERROR) {
      this.allDataRead = true;
      return this.close(new Error(message));
    }
    this.closeIfIdle();
  }

  overflowed(): void {
    this.close(new ConnectionError(H2_ERROR.ENHANCE_YOUR_CALM, 'the peer does not read'));
  }

  violation(error: ConnectionError): void {
    this.sender.goaway(error.code, this.streams.lastPeerId, error.message);
    this.outbox.flush();
    this.close(error);
  }

  // --- of the socket ---

  private greet(): void {
    const { streamWindowBytes, connectionWindowBytes, maxStreams } = this.options;
    if (this.isClient) this.sender.preface();
    this.sender.settings([
      this.isClient ? [SETTING.ENABLE_PUSH, 0] : [SETTING.MAX_CONCURRENT_STREAMS, maxStreams],
      [SETTING.INITIAL_WINDOW_SIZE, streamWindowBytes],
      [SETTING.MAX_HEADER_LIST_SIZE, MAX_HEADER_LIST_BYTES],
    ]);
    this.sender.windowUpdate(0, connectionWindowBytes - DEFAULT_WINDOW_BYTES);
  }

  private taken(): void {
    this.moved = true;
    if (this.flushing) return this.finish();
    this.sender.goOn();
  }

  /** A write has failed: what the peer sent before it left tells which streams it has not processed. */
  private readToEnd(): void {
    if (readUnread(this.socket, (chunk) => this.receiver.receive(chunk))) this.allDataRead = true;
  }

  // --- ends ---

  private closeIfIdle(): void {
    if (!this.leaving || this.openStreams > 0) return;
    // A server that has only announced to leave waits until the peer knows.
    if (!this.isClient && this.sender.lastAccepted === MAX_STREAM_ID) return;
    this.outbox.flush();
    this.flushing = true;
    if (this.outbox.bytes === 0) this.finish();
  }

  private finish(): void {
    if (this.outbox.hasUnsent) return this.outbox.flush();
    this.allDataRead = true;
    this.close(new Error('the connection has done its work'), false);
  }

  private close(error: Error, abrupt = true): void {
    if (this.closed) return;
    this.closed = true;
    this.outbox.close(); // later writes are dropped
    this.pings.close();
    const notBegun = this.sender.notBegun();
    this.sender.close();
    const { message } = error;
    const loss: StreamLoss = { message, unprocessed: false, allDataRead: this.allDataRead, resetCode: undefined };
    for (const stream of this.streams.all()) this.protect(() => stream.lose(loss));
    for (const stream of notBegun) this.protect(() => stream.lose({ ...loss, unprocessed: true }));
    if (abrupt) this.socket.destroy();
    else this.socket.destroySoon();
    this.protect(() => this.options.events.onClose(error));
  }
}
