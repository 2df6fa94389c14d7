import type { Http2Stream } from './http2-stream.js';
import type { Outbox } from './outbox.js';
import { SendQueue } from './send-queue.js';
import { settingsPayload } from './settings-frame.js';
import { atTurnEnd } from './turn.js';
import { FLAG, FRAME, MAX_STREAM_ID, PREFACE } from './wire.js';

/** Beyond this there are only answers to a peer that asks and does not read: the connection ends. */
const OUTBOX_MAX_BYTES = 1024 * 1024;

/** What the sending half needs from its connection. */
export interface SenderHost {
  /** Runs code of a stream. */
  guarded(stream: Http2Stream, act: () => void): void;
  /** Runs code of a listener. */
  protect(act: () => void): void;
  /** The peer reads nothing of what accumulates. */
  overflowed(): void;
}

/** The sending half of a connection: control frames, and in what order everything leaves (H1 of `connection.ts`). */
export class Sender {
  /** The last stream that was announced to the peer. */
  lastAccepted = MAX_STREAM_ID + 1;
  private readonly queue: SendQueue;
  private dirty = false;
  private onceFlushing: (() => void)[] = [];

  constructor(
    private readonly outbox: Outbox,
    private readonly host: SenderHost,
  ) {
    this.queue = new SendQueue(outbox, (stream) => host.guarded(stream, () => stream.sendWaiting()));
  }

  /** Whether streams may write to the outbox. */
  get isOpen(): boolean {
    return this.queue.isOpen;
  }

  /** Streams that wait, some of which may be closed. */
  get waiting(): number {
    return this.queue.size;
  }

  /** Our streams of which nothing was sent yet. */
  notBegun(): Http2Stream[] {
    return this.queue.notBegun();
  }

  /** Something of the stream waits for room. */
  waits(stream: Http2Stream): void {
    this.queue.add(stream);
    this.touch();
  }

  /** A waiting stream is over. */
  left(): void {
    this.queue.left();
  }

  /** A stream has written a frame. */
  wrote(): void {
    if (this.outbox.isDue) this.outbox.flush();
    this.touch();
  }

  /** The socket has accepted everything. */
  goOn(): void {
    this.queue.pump();
    this.outbox.flush();
  }

  /** Calls back once, at the end of this turn, before what was collected is sent. */
  beforeFlush(callback: () => void): void {
    this.onceFlushing.push(callback);
    this.touch();
  }

  /** Something is in the outbox, or waits for room there: it leaves at the end of the turn. */
  touch(): void {
    if (this.dirty) return;
    this.dirty = true;
    atTurnEnd(this.endTurn);
  }

  private readonly endTurn = (): void => {
    this.dirty = false;
    this.queue.pump();
    this.completeTurn();
    if (this.outbox.bytes > OUTBOX_MAX_BYTES) {
      return this.host.overflowed();
    }
    this.outbox.flush();
  };

  private completeTurn(): void {
    const callbacks = this.onceFlushing;
    if (callbacks.length === 0) return;
    this.onceFlushing = [];
    // What they send leaves in the flush that follows.
    this.dirty = true;
    for (const callback of callbacks) this.host.protect(callback);
    this.dirty = false;
  }

  // --- control frames ---

  preface(): void {
    const at = this.outbox.reserve(PREFACE.length);
    PREFACE.copy(this.outbox.memory, at);
  }

  settings(settings: readonly (readonly [setting: number, value: number])[]): void {
    const payload = settingsPayload(settings);
    const start = this.outbox.frame(FRAME.SETTINGS, FLAG.NONE, 0, payload.length);
    payload.copy(this.outbox.memory, start);
    this.touch();
  }

  acknowledgeSettings(): void {
    this.outbox.frame(FRAME.SETTINGS, FLAG.ACK, 0, 0);
    this.touch();
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

  goaway(code: number, lastId: number, reason: string): void {
    this.lastAccepted = lastId;
    const text = Buffer.from(reason.slice(0, 200), 'latin1');
    const start = this.outbox.frame(FRAME.GOAWAY, FLAG.NONE, 0, 8 + text.length);
    const { memory } = this.outbox;
    memory.writeUInt32BE(lastId, start);
    memory.writeUInt32BE(code, start + 4);
    text.copy(memory, start + 8);
    this.touch();
  }

  /** What still waits is dropped. */
  close(): void {
    this.onceFlushing = [];
    this.queue.close();
  }
}
