import type { Outbox } from './outbox.js';
import { ConnectionError, FLAG, FRAME, H2_ERROR } from './wire.js';

const PING_BYTES = 8;

/** The PINGs of a connection, in both directions. */
export class Pings {
  private sent: { readonly id: number; readonly answered: () => void }[] = [];
  private lastId = 0;
  private onceAsked: (() => void)[] = [];

  constructor(private readonly outbox: Outbox) {}

  /** Calls back with the answer, or never. */
  send(answered: () => void): void {
    this.lastId = (this.lastId + 1) >>> 0;
    this.sent.push({ id: this.lastId, answered });
    const start = this.outbox.frame(FRAME.PING, FLAG.NONE, 0, PING_BYTES);
    this.outbox.memory.writeUInt32BE(0, start);
    this.outbox.memory.writeUInt32BE(this.lastId, start + 4);
  }

  onNext(callback: () => void): void {
    this.onceAsked.push(callback);
  }

  /**
   * Answers a PING, or matches an answer.
   * @returns the callback to run
   * @throws ConnectionError
   */
  receive(flags: number, streamId: number, bytes: Buffer, start: number, length: number): readonly (() => void)[] {
    if (streamId !== 0) throw new ConnectionError(H2_ERROR.PROTOCOL_ERROR, 'PING of a stream');
    if (length !== PING_BYTES) throw new ConnectionError(H2_ERROR.FRAME_SIZE_ERROR, 'PING');
    if ((flags & FLAG.ACK) !== 0) return this.answeredBy(bytes, start);
    const at = this.outbox.frame(FRAME.PING, FLAG.ACK, 0, PING_BYTES);
    bytes.copy(this.outbox.memory, at, start, start + PING_BYTES);
    const callbacks = this.onceAsked;
    this.onceAsked = [];
    return callbacks;
  }

  close(): void {
    this.sent = [];
    this.onceAsked = [];
  }

  private answeredBy(bytes: Buffer, start: number): readonly (() => void)[] {
    const id = bytes.readUInt32BE(start + 4);
    const at = bytes.readUInt32BE(start) === 0 ? this.sent.findIndex((ping) => ping.id === id) : -1;
    return at < 0 ? NOBODY : this.sent.splice(at, 1).map(({ answered }) => answered);
  }
}

const NOBODY: readonly (() => void)[] = [];
