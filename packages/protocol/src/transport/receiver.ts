import type { BorrowedBytes } from '@fnfleet/core';
import type { ConnectionEvents, ConnectionOptions } from './connection-options.js';
import { FloodGuard } from './flood-guard.js';
import { FrameReader, type FrameSink } from './frame-reader.js';
import { type HeaderBlockSink, HeaderBlocks } from './header-blocks.js';
import type { HeaderList } from './header-list.js';
import { HpackDecoder, HpackError } from './hpack/decoder.js';
import type { Http2Stream } from './http2-stream.js';
import type { Pings } from './pings.js';
import type { Sender } from './sender.js';
import { readSettings } from './settings-frame.js';
import type { StreamTable } from './stream-table.js';
import {
  ConnectionError,
  FLAG,
  FRAME,
  H2_ERROR,
  MAX_FRAME_BYTES,
  MAX_STREAM_ID,
  MAX_WINDOW_BYTES,
  SETTING,
} from './wire.js';

/** Limit for header lists, in the size that HTTP/2 defines. */
export const MAX_HEADER_LIST_BYTES = 32 * 1024;
const NO_BYTES = Buffer.alloc(0);

/** What the receiving half needs from its connection. */
export interface ReceiverHost {
  readonly isClient: boolean;
  readonly isClosed: boolean;
  sendWindow: number;
  maxFrameBytes: number;
  newStream(): Http2Stream;
  /** Runs code of a stream. */
  guarded(stream: Http2Stream, act: () => void): void;
  /** Runs code of a listener. */
  protect(act: () => void): void;
  /** Code of a stream or of its listener has thrown. */
  fault(stream: Http2Stream, error: unknown): void;
  /** The peer broke the rules: the connection ends. */
  violation(error: ConnectionError): void;
  /** The peer has said GOAWAY. */
  peerLeaves(lastId: number, code: number): void;
}

/** The receiving half of a connection: reads frames, checks them against the rules of HTTP/2, and gives them to their streams. */
export class Receiver implements FrameSink, HeaderBlockSink {
  bytesRead = 0;
  private readonly isClient: boolean;
  private readonly reader: FrameReader;
  private readonly decoder = new HpackDecoder(MAX_HEADER_LIST_BYTES);
  private readonly blocks = new HeaderBlocks(this);
  private readonly floods = new FloodGuard();
  private readonly events: ConnectionEvents;
  private ready = false;
  private receiveWindow: number;
  private unacknowledged = 0;

  constructor(
    private readonly host: ReceiverHost,
    private readonly options: ConnectionOptions,
    private readonly streams: StreamTable,
    private readonly sender: Sender,
    private readonly pings: Pings,
  ) {
    this.isClient = host.isClient;
    this.events = options.events;
    this.receiveWindow = options.connectionWindowBytes;
    this.reader = new FrameReader(this, !this.isClient);
  }

  get isClosed(): boolean {
    return this.host.isClosed;
  }

  /** Must be called every few seconds, and resets counters. */
  look(): void {
    this.floods.look();
  }

  /** Received bytes were delivered or dropped: the peer may send as many again. */
  consumed(bytes: number): void {
    this.unacknowledged += bytes;
    if (this.unacknowledged < this.options.connectionWindowBytes / 2) return;
    this.receiveWindow += this.unacknowledged;
    this.sender.windowUpdate(0, this.unacknowledged);
    this.unacknowledged = 0;
  }

  receive(chunk: BorrowedBytes): void {
    if (this.host.isClosed) return;
    this.bytesRead += chunk.length;
    try {
      this.reader.push(chunk);
    } catch (error) {
      if (error instanceof ConnectionError) return this.host.violation(error);
      if (error instanceof HpackError)
        return this.host.violation(new ConnectionError(H2_ERROR.COMPRESSION_ERROR, error.message));
      this.events.onFault?.(error as Error);
      this.host.violation(new ConnectionError(H2_ERROR.INTERNAL_ERROR, (error as Error).message));
    }
  }

  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, length: number): void {
    if (this.blocks.isOpen && type !== FRAME.CONTINUATION) broken('a header block is not continued');
    if (!this.ready) {
      if (type !== FRAME.SETTINGS || (flags & FLAG.ACK) !== 0) broken('the first frame is no SETTINGS');
      this.ready = true;
      this.onSettings(flags, streamId, bytes, start, length);
      return this.events.onReady?.();
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
      if (this.streams.isIdle(streamId)) broken('DATA of a stream that was never opened');
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
      this.host.fault(stream, error);
    }
  }

  onBlock(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    const list = this.decoder.decode(bytes, start, end);
    const stream = this.streams.get(streamId);
    const last = (flags & FLAG.END_STREAM) !== 0;
    if (stream !== undefined) return this.onMoreHeaders(stream, list, last);
    if (this.isClient) {
      if (this.streams.isIdle(streamId)) broken('an answer to nothing');
      return this.floods.noteIdle(); // to a stream that was reset
    }
    if (streamId % 2 === 0) broken('a stream of a client with an even number');
    if (!this.streams.isIdle(streamId)) {
      if (list?.get(':method') !== undefined) broken('a stream with a number that was used before');
      return this.floods.noteIdle(); // trailers of a stream that was reset
    }
    this.streams.lastPeerId = streamId;
    if (streamId > this.sender.lastAccepted) return; // beyond the last stream announced in GOAWAY
    this.openedByPeer(streamId, list, last);
  }

  private openedByPeer(streamId: number, list: HeaderList | undefined, last: boolean): void {
    if (this.streams.begun >= this.options.maxStreams) return this.refuse(streamId, H2_ERROR.REFUSED_STREAM);
    if (list === undefined) return this.refuse(streamId, H2_ERROR.ENHANCE_YOUR_CALM);
    if (list.requestFault() !== undefined) return this.refuse(streamId, H2_ERROR.PROTOCOL_ERROR);
    const stream = this.host.newStream();
    this.streams.add(streamId, stream);
    try {
      this.events.onStream?.(stream, list);
      if (last) stream.receiveData(NO_BYTES, 0, true);
    } catch (error) {
      this.host.fault(stream, error);
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
      this.host.fault(stream, error);
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
    if (streamId === 0 || this.streams.isIdle(streamId)) broken('RST_STREAM of a stream that was never opened');
    const stream = this.streams.get(streamId);
    if (stream === undefined) return this.floods.noteIdle();
    this.floods.noteReset();
    this.host.guarded(stream, () => stream.receiveReset(bytes.readUInt32BE(start)));
  }

  private onSettings(flags: number, streamId: number, bytes: Buffer, start: number, length: number): void {
    if (streamId !== 0) broken('SETTINGS of a stream');
    if ((flags & FLAG.ACK) !== 0) {
      if (length !== 0) throw new ConnectionError(H2_ERROR.FRAME_SIZE_ERROR, 'SETTINGS');
      return this.floods.noteIdle();
    }
    this.floods.noteIdle();
    for (const [setting, value] of readSettings(bytes, start, length)) {
      if (setting === SETTING.MAX_CONCURRENT_STREAMS) this.streams.maxOurs = value;
      else if (setting === SETTING.MAX_FRAME_SIZE) this.host.maxFrameBytes = Math.min(value, MAX_FRAME_BYTES);
      else if (setting === SETTING.INITIAL_WINDOW_SIZE) this.streams.resizeWindows(value, this.unblocked);
      // This end never uses a dynamic table, so HEADER_TABLE_SIZE changes nothing.
    }
    this.sender.acknowledgeSettings();
  }

  private onWindowUpdate(streamId: number, bytes: Buffer, start: number, length: number): void {
    if (length !== 4) throw new ConnectionError(H2_ERROR.FRAME_SIZE_ERROR, 'WINDOW_UPDATE');
    const more = bytes.readUInt32BE(start) & MAX_WINDOW_BYTES;
    this.floods.noteIdle();
    if (streamId === 0) {
      if (more === 0) broken('WINDOW_UPDATE by nothing');
      this.host.sendWindow += more;
      if (this.host.sendWindow > MAX_WINDOW_BYTES)
        throw new ConnectionError(H2_ERROR.FLOW_CONTROL_ERROR, 'WINDOW_UPDATE');
      return this.sender.touch();
    }
    if (this.streams.isIdle(streamId)) broken('WINDOW_UPDATE of a stream that was never opened');
    const stream = this.streams.get(streamId);
    if (stream === undefined) return;
    if (more === 0) return this.streamError(streamId, H2_ERROR.PROTOCOL_ERROR);
    stream.sendWindow += more;
    if (stream.sendWindow > MAX_WINDOW_BYTES) return this.streamError(streamId, H2_ERROR.FLOW_CONTROL_ERROR);
    this.unblocked(stream);
  }

  private readonly unblocked = (stream: Http2Stream): void => {
    if (stream.isWaiting && !stream.isBlocked) this.sender.waits(stream);
  };

  private onPing(flags: number, streamId: number, bytes: Buffer, start: number, length: number): void {
    this.floods.noteIdle();
    const callbacks = this.pings.receive(flags, streamId, bytes, start, length);
    this.sender.touch();
    for (const callback of callbacks) this.host.protect(callback);
  }

  private onGoaway(streamId: number, bytes: Buffer, start: number, length: number): void {
    if (streamId !== 0) broken('GOAWAY of a stream');
    if (length < 8) throw new ConnectionError(H2_ERROR.FRAME_SIZE_ERROR, 'GOAWAY');
    this.floods.noteIdle();
    const lastId = bytes.readUInt32BE(start) & MAX_STREAM_ID;
    const code = bytes.readUInt32BE(start + 4);
    this.host.peerLeaves(lastId, code);
  }

  private refuse(streamId: number, code: number): void {
    this.floods.noteIdle();
    this.sender.resetStream(streamId, code);
  }

  /** The peer broke the rules on one stream. */
  private streamError(streamId: number, code: number): void {
    this.floods.noteIdle();
    this.sender.resetStream(streamId, code);
    const stream = this.streams.get(streamId);
    if (stream === undefined) return;
    const message = `the peer broke HTTP/2 on the stream, code ${code}`;
    this.host.guarded(stream, () =>
      stream.lose({ message, unprocessed: false, allDataRead: false, resetCode: undefined }),
    );
  }
}

function broken(what: string): never {
  throw new ConnectionError(H2_ERROR.PROTOCOL_ERROR, what);
}
