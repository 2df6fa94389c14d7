import type { Http2Stream } from './http2-stream.js';
import type { Outbox } from './outbox.js';

/** Streams wait while the socket has this many bytes to accept. */
const OUTBOX_STREAM_BYTES = 128 * 1024;
/** Closed streams that are still in the list. */
const MAX_GONE = 256;

/** The streams of a connection that have data to send and are not blocked by their own windows. They take turns. */
export class SendQueue {
  private streams: Http2Stream[] = [];
  /** At most this many of them are closed. */
  private gone = 0;
  private pumping = false;

  /** @param sendOne lets a stream send one waiting frame; must not throw */
  constructor(
    private readonly outbox: Outbox,
    private readonly sendOne: (stream: Http2Stream) => void,
  ) {}

  get size(): number {
    return this.streams.length;
  }

  /** No stream waits and there is room: data can be sent at once. */
  get isOpen(): boolean {
    return this.streams.length === 0 && this.outbox.bytes < OUTBOX_STREAM_BYTES;
  }

  add(stream: Http2Stream): void {
    if (stream.queued || stream.isBlocked) return;
    stream.queued = true;
    this.streams.push(stream);
  }

  /** A waiting stream is over. While the peer does not read, such streams would accumulate. */
  left(): void {
    this.gone += 1;
    if (this.pumping || this.gone < MAX_GONE || this.gone * 2 < this.streams.length) return;
    this.gone = 0;
    this.streams = this.streams.filter((stream) => !stream.isClosed);
  }

  /** Our streams of which nothing was sent yet. */
  notBegun(): Http2Stream[] {
    return this.streams.filter((stream) => stream.id === 0);
  }

  /** Lets each stream send a frame, in turn, while there is room. */
  pump(): void {
    this.pumping = true;
    const { streams, outbox } = this;
    let skipped = 0;
    // When the window of the connection is exhausted, heads and trailers still go: until a round sends nothing.
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
