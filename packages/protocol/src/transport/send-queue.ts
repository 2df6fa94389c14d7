import type { Http2Stream } from './http2-stream.js';
import type { Outbox } from './outbox.js';

/** While the socket has not taken this much, streams wait. */
const OUTBOX_STREAM_BYTES = 128 * 1024;
/** Streams that have closed while they waited, and are still in the list. */
const MAX_GONE = 256;

/** The streams of a connection that have something to send and are not blocked by their own windows. They take turns. */
export class SendQueue {
  private streams: Http2Stream[] = [];
  /** Of them, so many at most have closed. */
  private gone = 0;
  private pumping = false;

  /** @param sendOne lets a stream send a frame of what waits; must not throw */
  constructor(
    private readonly outbox: Outbox,
    private readonly sendOne: (stream: Http2Stream) => void,
  ) {}

  get size(): number {
    return this.streams.length;
  }

  /** Nobody waits and there is room: what is sent now need not wait. */
  get isOpen(): boolean {
    return this.streams.length === 0 && this.outbox.bytes < OUTBOX_STREAM_BYTES;
  }

  add(stream: Http2Stream): void {
    if (stream.queued || stream.isBlocked) return;
    stream.queued = true;
    this.streams.push(stream);
  }

  /** One of them is over. While the peer does not read, those that gave up waiting would gather. */
  left(): void {
    this.gone += 1;
    if (this.pumping || this.gone < MAX_GONE || this.gone * 2 < this.streams.length) return;
    this.gone = 0;
    this.streams = this.streams.filter((stream) => !stream.isClosed);
  }

  /** Streams of ours of which nothing has been sent. */
  notBegun(): Http2Stream[] {
    return this.streams.filter((stream) => stream.id === 0);
  }

  /** Lets each of them send a frame, in turn, as long as there is room. */
  pump(): void {
    this.pumping = true;
    const { streams, outbox } = this;
    let skipped = 0;
    // Where the window of the connection is in the way, heads and trailers still go: until a round brings nothing.
    while (streams.length > skipped && outbox.bytes < OUTBOX_STREAM_BYTES) {
      const stream = streams.shift() as Http2Stream;
      stream.queued = false;
      const before = outbox.bytes;
      this.sendOne(stream);
      const moved = outbox.bytes !== before || !stream.isWaiting;
      skipped = moved ? 0 : skipped + 1;
      if (stream.isWaiting) this.add(stream);
    }
    this.pumping = false;
  }

  close(): void {
    this.streams.length = 0;
  }
}
