import type { Socket } from 'node:net';
import { type BorrowedBytes, shareReads, TurnoverMap } from '@fnfleet/core';
import { FloodGuard } from './flood-guard.js';
import { FrameReader, type FrameSink } from './frame-reader.js';
import { AssemblyBudget } from './grpc-frames.js';
import { type HeaderBlockSink, HeaderBlocks } from './header-blocks.js';
import type { HeaderList } from './header-list.js';
import { HpackDecoder, HpackError } from './hpack/decoder.js';
import { Http2Stream, type StreamCarrier, type StreamLoss } from './http2-stream.js';
import { Outbox } from './outbox.js';
import { Pings } from './pings.js';
import { SendQueue } from './send-queue.js';
import { readSettings, settingsPayload } from './settings-frame.js';
import { atTurnEnd } from './turn.js';
import { readUnread } from './unread.js';
import {
  ConnectionError,
  DEFAULT_WINDOW_BYTES,
  FLAG,
  FRAME,
  H2_ERROR,
  MAX_FRAME_BYTES,
  MAX_STREAM_ID,
  MAX_WINDOW_BYTES,
  PREFACE,
  SETTING,
} from './wire.js';

export interface ConnectionOptions {
  readonly role: 'client' | 'server';
  /** Flow-control window of a stream, bytes; at least 65 535. */
  readonly streamWindowBytes: number;
  /** Flow-control window of the connection: the limit for what a peer can make this end buffer. */
  readonly connectionWindowBytes: number;
  /** Limit for streams opened by the peer; 0 for a client. */
  readonly maxStreams: number;
  /** Looks after which a peer whose socket accepts nothing is disconnected. */
  readonly stuckLooks: number;
  /** Looks after which a stream is reset that has ended here and of whose rest the peer reads nothing. */
  readonly stalledLooks: number;
  readonly events: ConnectionEvents;
}

/** None of these may throw. */
export interface ConnectionEvents {
  /** The peer has opened a stream: give it a listener, or reset it. */
  onStream?(stream: Http2Stream, head: HeaderList): void;
  /** The first frame of the peer has arrived. */
  onReady?(): void;
  /** The peer accepts no new streams; open ones continue. */
  onGoaway?(): void;
  /** A listener has thrown: an internal fault, which cost one stream. */
  onFault?(error: Error): void;
  /** The connection is over, and its streams have been notified. Called once. */
  onClose(error: Error): void;
}

/** Limit for header lists, in the size that HTTP/2 defines. */
const MAX_HEADER_LIST_BYTES = 32 * 1024;
/** Beyond this there are only answers to a peer that asks and does not read: the connection ends. */
const OUTBOX_MAX_BYTES = 1024 * 1024;
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
export class Connection implements FrameSink, HeaderBlockSink, StreamCarrier {
  readonly isClient: boolean;
  readonly outbox: Outbox;
  readonly assembly = new AssemblyBudget(ASSEMBLY_BYTES);
  sendWindow = DEFAULT_WINDOW_BYTES;
  maxFrameBytes = MAX_FRAME_BYTES;
  bytesRead = 0;

  private readonly streams = new TurnoverMap<number, Http2Stream>();
  private readonly reader: FrameReader;
  private readonly decoder = new HpackDecoder(MAX_HEADER_LIST_BYTES);
  private closed = false;
  private allDataRead = false;
  private socketError: Error | undefined;
  private ready = false;

  private nextId = 1;
  private lastPeerId = 0;
  private peerMaxStreams = Number.POSITIVE_INFINITY;
  private peerWindowBytes = DEFAULT_WINDOW_BYTES;
  private readonly sending: SendQueue;
  /** Our streams that wait to begin. */
  private unnumbered = 0;
  private dirty = false;
  private onceFlushing: (() => void)[] = [];

  private receiveWindow: number;
  private unacknowledged = 0;

  private readonly blocks = new HeaderBlocks(this);
  private readonly pings: Pings;
  private readonly floods = new FloodGuard();
  private leaving = false;
  private goawaySent = MAX_STREAM_ID + 1;
  private flushing = false;
  /** Whether the socket has accepted something since the last look. */
  private moved = false;
  private stuckLooks = 0;

  constructor(
    private readonly socket: Socket,
    private readonly options: ConnectionOptions,
  ) {
    this.isClient = options.role === 'client';
    this.receiveWindow = options.connectionWindowBytes;
    this.outbox = new Outbox(
      socket,
      () => this.taken(),
      () => this.readToEnd(),
    );
    this.sending = new SendQueue(this.outbox, (stream) => this.guarded(stream, () => stream.sendWaiting()));
    this.pings = new Pings(this.outbox);
    this.reader = new FrameReader(this, !this.isClient);
    shareReads(socket, (chunk) => this.receive(chunk));
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

  get openStreams(): number {
    return this.streams.size + this.unnumbered;
  }

  /** Streams queued for sending, some of which may be closed. */
  get waitingStreams(): number {
    return this.sending.size;
  }

  /** Whether the peer accepts another stream, as far as is known. */
  get takesStreams(): boolean {
    return !this.closed && !this.leaving && this.openStreams < this.peerMaxStreams && this.nextId < MAX_STREAM_ID;
  }

  // --- for users of the connection ---

  /** Opens a stream. Only while `takesStreams`. @param head in HPACK */
  request(head: Buffer, listener: Http2Stream['listener']): Http2Stream {
    const stream = this.newStream();
    stream.listener = listener;
    this.unnumbered += 1;
    stream.sendHeaders(head, false);
    return stream;
  }

  /** Sends a PING, after everything that was sent before. Calls back with the answer, or never. */
  ping(answered: () => void): void {
    this.pings.send(answered);
    this.touch();
  }

  /** Calls back once, at the end of this turn, before what was collected is sent; never, if the connection is lost before. */
  beforeFlush(callback: () => void): void {
    this.onceFlushing.push(callback);
    this.touch();
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
      this.goaway(H2_ERROR.NO_ERROR, this.lastPeerId, '');
      return this.closeIfIdle();
    }
    this.goaway(H2_ERROR.NO_ERROR, MAX_STREAM_ID, '');
    this.ping(() => {
      this.goaway(H2_ERROR.NO_ERROR, this.lastPeerId, '');
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
    this.floods.look();
    this.stuckLooks = this.outbox.isWriting && !this.moved ? this.stuckLooks + 1 : 0;
    this.moved = false;
    if (mayCut && this.stuckLooks > this.options.stuckLooks) return this.close(new Error('the peer does not read'));
    for (const stream of [...this.streams.values()]) this.lookAt(stream);
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
    return this.sending.isOpen;
  }

  numbered(stream: Http2Stream): number {
    const id = this.nextId;
    this.nextId += 2;
    this.unnumbered -= 1;
    stream.sendWindow = this.peerWindowBytes;
    this.streams.set(id, stream);
    return id;
  }

  waits(stream: Http2Stream): void {
    this.sending.add(stream);
    this.touch();
  }

  wrote(): void {
    if (this.outbox.isDue) this.outbox.flush();
    this.touch();
  }

  consumed(bytes: number): void {
    this.unacknowledged += bytes;
    if (this.unacknowledged < this.options.connectionWindowBytes / 2) return;
    this.receiveWindow += this.unacknowledged;
    this.windowUpdate(0, this.unacknowledged);
    this.unacknowledged = 0;
  }

  deliverLater(stream: Http2Stream): void {
    atTurnEnd(() => this.guarded(stream, () => stream.deliver()));
  }

  windowUpdate(streamId: number, bytes: number): void {
    const start = this.outbox.frame(FRAME.WINDOW_UPDATE, FLAG.NONE, streamId, 4);
    this.outbox.memory.writeUInt32BE(bytes, start);
    this.touch();
  }

  resetStream(streamId: number, code: number): void {
    const start = this.outbox.frame(FRAME.RST_STREAM, FLAG.NONE, streamId, 4);
    this.outbox.memory.writeUInt32BE(code, start);
    this.touch();
  }

  left(stream: Http2Stream): void {
    if (stream.queued) this.sending.left();
    if (stream.id === 0) this.unnumbered -= 1;
    else this.streams.delete(stream.id);
    if (this.leaving) atTurnEnd(() => this.closeIfIdle());
  }

  // --- sending ---

  private greet(): void {
    const { streamWindowBytes, connectionWindowBytes, maxStreams } = this.options;
    if (this.isClient) {
      const at = this.outbox.reserve(PREFACE.length);
      PREFACE.copy(this.outbox.memory, at);
    }
    const payload = settingsPayload([
      this.isClient ? [SETTING.ENABLE_PUSH, 0] : [SETTING.MAX_CONCURRENT_STREAMS, maxStreams],
      [SETTING.INITIAL_WINDOW_SIZE, streamWindowBytes],
      [SETTING.MAX_HEADER_LIST_SIZE, MAX_HEADER_LIST_BYTES],
    ]);
    const start = this.outbox.frame(FRAME.SETTINGS, FLAG.NONE, 0, payload.length);
    payload.copy(this.outbox.memory, start);
    this.windowUpdate(0, connectionWindowBytes - DEFAULT_WINDOW_BYTES);
  }

  /** Something is in the outbox, or waits for room there: it leaves at the end of the turn. */
  private touch(): void {
    if (this.dirty) return;
    this.dirty = true;
    atTurnEnd(this.endTurn);
  }

  private readonly endTurn = (): void => {
    this.dirty = false;
    this.sending.pump();
    this.completeTurn();
    if (this.outbox.bytes > OUTBOX_MAX_BYTES) {
      return this.close(new ConnectionError(H2_ERROR.ENHANCE_YOUR_CALM, 'the peer does not read'));
    }
    this.outbox.flush();
  };

  private completeTurn(): void {
    const callbacks = this.onceFlushing;
    if (callbacks.length === 0) return;
    this.onceFlushing = [];
    // What they send leaves in the flush that follows.
    this.dirty = true;
    for (const callback of callbacks) this.protect(callback);
    this.dirty = false;
  }

  private taken(): void {
    this.moved = true;
    if (this.flushing) return this.finish();
    this.sending.pump();
    this.outbox.flush();
  }

  /** A write has failed: what the peer sent before it left tells which streams it has not processed. */
  private readToEnd(): void {
    if (readUnread(this.socket, (chunk) => this.receive(chunk))) this.allDataRead = true;
  }

  private goaway(code: number, lastId: number, reason: string): void {
    this.goawaySent = lastId;
    const text = Buffer.from(reason.slice(0, 200), 'latin1');
    const start = this.outbox.frame(FRAME.GOAWAY, FLAG.NONE, 0, 8 + text.length);
    const { memory } = this.outbox;
    memory.writeUInt32BE(lastId, start);
    memory.writeUInt32BE(code, start + 4);
    text.copy(memory, start + 8);
    this.touch();
  }

  // --- receiving ---

  private receive(chunk: BorrowedBytes): void {
    if (this.closed) return;
    this.bytesRead += chunk.length;
    try {
      this.reader.push(chunk);
    } catch (error) {
      if (error instanceof ConnectionError) return this.violation(error);
      if (error instanceof HpackError)
        return this.violation(new ConnectionError(H2_ERROR.COMPRESSION_ERROR, error.message));
      this.options.events.onFault?.(error as Error);
      this.violation(new ConnectionError(H2_ERROR.INTERNAL_ERROR, (error as Error).message));
    }
  }

  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, length: number): void {
    if (this.blocks.isOpen && type !== FRAME.CONTINUATION) broken('a header block is not continued');
    if (!this.ready) {
      if (type !== FRAME.SETTINGS || (flags & FLAG.ACK) !== 0) broken('the first frame is no SETTINGS');
      this.ready = true;
      this.onSettings(flags, streamId, bytes, start, length);
      return this.options.events.onReady?.();
    }
    switch (type) {
      case FRAME.DATA:
        return this.onData(flags, streamId, bytes, start, length);
      case FRAME.HEADERS:
        return this.blocks.onHeaders(flags, streamId, bytes, start, length);
      case FRAME.CONTINUATION:
        return this.blocks.onContinuation(flags, streamId, bytes, start, length);
      case FRAME.WINDOW_UPDATE:
        return this.onWindowUpdate(streamId, bytes, start, length);
      case FRAME.RST_STREAM:
        return this.onReset(streamId, bytes, start, length);
      case FRAME.SETTINGS:
        return this.onSettings(flags, streamId, bytes, start, length);
      case FRAME.PING:
        return this.onPing(flags, streamId, bytes, start, length);
      case FRAME.GOAWAY:
        return this.onGoaway(streamId, bytes, start, length);
      case FRAME.PUSH_PROMISE:
        return broken('a pushed stream');
      case FRAME.PRIORITY:
        if (streamId === 0) broken('PRIORITY of the connection');
        if (length !== 5) this.streamError(streamId, H2_ERROR.FRAME_SIZE_ERROR);
        return this.floods.noteIdle();
      default:
        return this.floods.noteIdle(); // an extension
    }
  }

  private onData(flags: number, streamId: number, bytes: Buffer, start: number, length: number): void {
    if (streamId === 0) broken('DATA of the connection');
    let from = start;
    let end = start + length;
    if ((flags & FLAG.PADDED) !== 0) {
      const padding = length > 0 ? (bytes[start] as number) + 1 : 1;
      if (padding > length) broken('more padding than frame');
      from += 1;
      end -= padding - 1;
    }
    if (length > this.receiveWindow) {
      throw new ConnectionError(H2_ERROR.FLOW_CONTROL_ERROR, 'more than the window of the connection');
    }
    this.receiveWindow -= length;
    const stream = this.streams.get(streamId);
    const last = (flags & FLAG.END_STREAM) !== 0;
    if (stream === undefined) {
      this.consumed(length);
      if (this.isIdle(streamId)) broken('DATA of a stream that was never opened');
      return this.floods.noteIdle(); // of a stream that was reset
    }
    const fault = stream.remoteHasEnded
      ? H2_ERROR.STREAM_CLOSED
      : stream.exceeds(length)
        ? H2_ERROR.FLOW_CONTROL_ERROR
        : this.isClient && !stream.hasHead
          ? H2_ERROR.PROTOCOL_ERROR
          : undefined;
    if (fault !== undefined) {
      this.consumed(length);
      return this.streamError(streamId, fault);
    }
    if (from === end && !last) this.floods.noteIdle();
    const part = from === end ? NO_BYTES : bytes.subarray(from, end);
    try {
      stream.receiveData(part, length, last);
    } catch (error) {
      this.fault(stream, error);
    }
  }

  onBlock(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    const list = this.decoder.decode(bytes, start, end);
    const stream = this.streams.get(streamId);
    const last = (flags & FLAG.END_STREAM) !== 0;
    if (stream !== undefined) return this.onMoreHeaders(stream, list, last);
    if (this.isClient) {
      if (this.isIdle(streamId)) broken('an answer to nothing');
      return this.floods.noteIdle(); // to a stream that was reset
    }
    if (streamId % 2 === 0) broken('a stream of a client with an even number');
    if (!this.isIdle(streamId)) {
      if (list?.get(':method') !== undefined) broken('a stream with a number that was used before');
      return this.floods.noteIdle(); // trailers of a stream that was reset
    }
    this.lastPeerId = streamId;
    if (streamId > this.goawaySent) return; // beyond the last stream announced in GOAWAY
    this.openedByPeer(streamId, list, last);
  }

  private openedByPeer(streamId: number, list: HeaderList | undefined, last: boolean): void {
    if (this.streams.size >= this.options.maxStreams) return this.refuse(streamId, H2_ERROR.REFUSED_STREAM);
    if (list === undefined) return this.refuse(streamId, H2_ERROR.ENHANCE_YOUR_CALM);
    if (list.requestFault() !== undefined) return this.refuse(streamId, H2_ERROR.PROTOCOL_ERROR);
    const stream = this.newStream();
    stream.id = streamId;
    this.streams.set(streamId, stream);
    try {
      this.options.events.onStream?.(stream, list);
      if (last) stream.receiveData(NO_BYTES, 0, true);
    } catch (error) {
      this.fault(stream, error);
    }
  }

  private onMoreHeaders(stream: Http2Stream, list: HeaderList | undefined, last: boolean): void {
    if (stream.remoteHasEnded) return this.streamError(stream.id, H2_ERROR.STREAM_CLOSED);
    if (list === undefined) return this.streamError(stream.id, H2_ERROR.ENHANCE_YOUR_CALM);
    if (list.responseFault() !== undefined || !this.isInPlace(stream, list, last)) {
      return this.streamError(stream.id, H2_ERROR.PROTOCOL_ERROR);
    }
    try {
      stream.receiveHeaders(list, last);
    } catch (error) {
      this.fault(stream, error);
    }
  }

  /** One head, preceded by any number of interim ones in an answer; then trailers, which end the stream. */
  private isInPlace(stream: Http2Stream, list: HeaderList, last: boolean): boolean {
    const status = list.get(':status');
    if (!this.isClient || stream.hasHead) return last && status === undefined;
    if (status === undefined || !/^[1-9]\d\d$/.test(status)) return false;
    if (!status.startsWith('1')) {
      stream.hasHead = true;
      return true;
    }
    this.floods.noteIdle();
    return !last;
  }

  private onReset(streamId: number, bytes: Buffer, start: number, length: number): void {
    if (length !== 4) throw new ConnectionError(H2_ERROR.FRAME_SIZE_ERROR, 'RST_STREAM');
    if (streamId === 0 || this.isIdle(streamId)) broken('RST_STREAM of a stream that was never opened');
    const stream = this.streams.get(streamId);
    if (stream === undefined) return this.floods.noteIdle();
    this.floods.noteReset();
    this.guarded(stream, () => stream.receiveReset(bytes.readUInt32BE(start)));
  }

  private onSettings(flags: number, streamId: number, bytes: Buffer, start: number, length: number): void {
    if (streamId !== 0) broken('SETTINGS of a stream');
    if ((flags & FLAG.ACK) !== 0) {
      if (length !== 0) throw new ConnectionError(H2_ERROR.FRAME_SIZE_ERROR, 'SETTINGS');
      return this.floods.noteIdle();
    }
    this.floods.noteIdle();
    for (const [setting, value] of readSettings(bytes, start, length)) {
      if (setting === SETTING.MAX_CONCURRENT_STREAMS) this.peerMaxStreams = value;
      else if (setting === SETTING.MAX_FRAME_SIZE) this.maxFrameBytes = Math.min(value, MAX_FRAME_BYTES);
      else if (setting === SETTING.INITIAL_WINDOW_SIZE) this.resizeWindows(value);
      // This end never uses a dynamic table, so HEADER_TABLE_SIZE changes nothing.
    }
    this.outbox.frame(FRAME.SETTINGS, FLAG.ACK, 0, 0);
    this.touch();
  }

  private resizeWindows(bytes: number): void {
    const change = bytes - this.peerWindowBytes;
    this.peerWindowBytes = bytes;
    for (const stream of this.streams.values()) {
      stream.sendWindow += change;
      if (stream.sendWindow > MAX_WINDOW_BYTES) throw new ConnectionError(H2_ERROR.FLOW_CONTROL_ERROR, 'SETTINGS');
      if (change > 0) this.unblocked(stream);
    }
  }

  private onWindowUpdate(streamId: number, bytes: Buffer, start: number, length: number): void {
    if (length !== 4) throw new ConnectionError(H2_ERROR.FRAME_SIZE_ERROR, 'WINDOW_UPDATE');
    const more = bytes.readUInt32BE(start) & MAX_WINDOW_BYTES;
    this.floods.noteIdle();
    if (streamId === 0) {
      if (more === 0) broken('WINDOW_UPDATE by nothing');
      this.sendWindow += more;
      if (this.sendWindow > MAX_WINDOW_BYTES) throw new ConnectionError(H2_ERROR.FLOW_CONTROL_ERROR, 'WINDOW_UPDATE');
      return this.touch();
    }
    if (this.isIdle(streamId)) broken('WINDOW_UPDATE of a stream that was never opened');
    const stream = this.streams.get(streamId);
    if (stream === undefined) return;
    if (more === 0) return this.streamError(streamId, H2_ERROR.PROTOCOL_ERROR);
    stream.sendWindow += more;
    if (stream.sendWindow > MAX_WINDOW_BYTES) return this.streamError(streamId, H2_ERROR.FLOW_CONTROL_ERROR);
    this.unblocked(stream);
  }

  private unblocked(stream: Http2Stream): void {
    if (stream.isWaiting && !stream.isBlocked) this.waits(stream);
  }

  private onPing(flags: number, streamId: number, bytes: Buffer, start: number, length: number): void {
    this.floods.noteIdle();
    const callbacks = this.pings.receive(flags, streamId, bytes, start, length);
    this.touch();
    for (const callback of callbacks) this.protect(callback);
  }

  private onGoaway(streamId: number, bytes: Buffer, start: number, length: number): void {
    if (streamId !== 0) broken('GOAWAY of a stream');
    if (length < 8) throw new ConnectionError(H2_ERROR.FRAME_SIZE_ERROR, 'GOAWAY');
    this.floods.noteIdle();
    const lastId = bytes.readUInt32BE(start) & MAX_STREAM_ID;
    const code = bytes.readUInt32BE(start + 4);
    const message = `the peer said GOAWAY, code ${code}`;
    if (this.isClient) {
      this.leaving = true;
      const loss = { message, unprocessed: true, allDataRead: true, resetCode: undefined };
      const refused = [...this.streams.values()].filter((stream) => stream.id > lastId);
      for (const stream of [...refused, ...this.sending.notBegun()]) this.guarded(stream, () => stream.lose(loss));
      this.options.events.onGoaway?.();
    }
    if (code !== H2_ERROR.NO_ERROR) {
      this.allDataRead = true;
      return this.close(new Error(message));
    }
    this.closeIfIdle();
  }

  // --- ends ---

  private isIdle(streamId: number): boolean {
    return this.isClient
      ? streamId % 2 === 0 || streamId >= this.nextId
      : streamId % 2 === 0 || streamId > this.lastPeerId;
  }

  private newStream(): Http2Stream {
    return new Http2Stream(this, this.options.streamWindowBytes, this.peerWindowBytes);
  }

  private refuse(streamId: number, code: number): void {
    this.floods.noteIdle();
    this.resetStream(streamId, code);
  }

  /** The peer broke the rules on one stream. */
  private streamError(streamId: number, code: number): void {
    this.floods.noteIdle();
    this.resetStream(streamId, code);
    const stream = this.streams.get(streamId);
    if (stream === undefined) return;
    const message = `the peer broke HTTP/2 on the stream, code ${code}`;
    this.guarded(stream, () => stream.lose({ message, unprocessed: false, allDataRead: false, resetCode: undefined }));
  }

  /** A listener has thrown (H2). */
  private fault(stream: Http2Stream, error: unknown): void {
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

  private guarded(stream: Http2Stream, act: () => void): void {
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

  private violation(error: ConnectionError): void {
    this.goaway(error.code, this.lastPeerId, error.message);
    this.outbox.flush();
    this.close(error);
  }

  private closeIfIdle(): void {
    if (!this.leaving || this.openStreams > 0) return;
    // A server that has only announced to leave waits until the peer knows.
    if (!this.isClient && this.goawaySent === MAX_STREAM_ID) return;
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
    this.onceFlushing = [];
    const notBegun = this.sending.notBegun();
    this.sending.close();
    const { message } = error;
    const loss: StreamLoss = { message, unprocessed: false, allDataRead: this.allDataRead, resetCode: undefined };
    for (const stream of [...this.streams.values()]) this.protect(() => stream.lose(loss));
    for (const stream of notBegun) this.protect(() => stream.lose({ ...loss, unprocessed: true }));
    if (abrupt) this.socket.destroy();
    else this.socket.destroySoon();
    this.protect(() => this.options.events.onClose(error));
  }
}

const NO_BYTES = Buffer.alloc(0);

function broken(what: string): never {
  throw new ConnectionError(H2_ERROR.PROTOCOL_ERROR, what);
}
