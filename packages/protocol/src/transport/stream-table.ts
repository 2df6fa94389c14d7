import { TurnoverMap } from '@fnfleet/core';
import type { Http2Stream } from './http2-stream.js';
import { ConnectionError, DEFAULT_WINDOW_BYTES, H2_ERROR, MAX_STREAM_ID, MAX_WINDOW_BYTES } from './wire.js';

/** The open streams of a connection by their numbers, which numbers were used, and what the peer allows for streams. */
export class StreamTable {
  /** Limit of the peer for our streams. */
  maxOurs = Number.POSITIVE_INFINITY;
  /** Send window of a stream that begins, bytes. */
  sendWindowBytes = DEFAULT_WINDOW_BYTES;
  /** Highest number of a stream of the peer. */
  lastPeerId = 0;
  private readonly open = new TurnoverMap<number, Http2Stream>();
  private nextId = 1;
  /** Our streams that wait to begin. */
  private unnumbered = 0;

  constructor(private readonly isClient: boolean) {}

  /** Streams with a number. */
  get begun(): number {
    return this.open.size;
  }

  get size(): number {
    return this.open.size + this.unnumbered;
  }

  /** Whether another one of ours may begin. */
  get mayOpen(): boolean {
    return this.size < this.maxOurs && this.nextId < MAX_STREAM_ID;
  }

  get(id: number): Http2Stream | undefined {
    return this.open.get(id);
  }

  /** A copy: streams may leave while it is used. */
  all(): Http2Stream[] {
    return [...this.open.values()];
  }

  /** One of ours waits to begin. */
  waits(): void {
    this.unnumbered += 1;
  }

  /** One of ours begins. @returns its number */
  begin(stream: Http2Stream): number {
    const id = this.nextId;
    this.nextId += 2;
    this.unnumbered -= 1;
    stream.sendWindow = this.sendWindowBytes;
    this.open.set(id, stream);
    return id;
  }

  /** The peer has opened one. */
  add(id: number, stream: Http2Stream): void {
    stream.id = id;
    this.open.set(id, stream);
  }

  remove(stream: Http2Stream): void {
    if (stream.id === 0) this.unnumbered -= 1;
    else this.open.delete(stream.id);
  }

  /** Whether no stream has had this number. */
  isIdle(id: number): boolean {
    return id % 2 === 0 || (this.isClient ? id >= this.nextId : id > this.lastPeerId);
  }

  /**
   * The peer has set the send window of streams. Calls back with those for which it has grown.
   * @throws ConnectionError
   */
  resizeWindows(bytes: number, grown: (stream: Http2Stream) => void): void {
    const change = bytes - this.sendWindowBytes;
    this.sendWindowBytes = bytes;
    for (const stream of this.open.values()) {
      stream.sendWindow += change;
      if (stream.sendWindow > MAX_WINDOW_BYTES) throw new ConnectionError(H2_ERROR.FLOW_CONTROL_ERROR, 'SETTINGS');
      if (change > 0) grown(stream);
    }
  }
}
