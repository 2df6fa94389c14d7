import type { ServerResponse } from 'node:http';
import {
  type BorrowedBytes,
  type Clock,
  DelayLine,
  type HeaderList,
  type ResponseWriter,
  systemClock,
  type Timer,
} from '@fnfleet/core';
import { sendError } from '@fnfleet/http';
import { BodyOutlet } from './body-outlet.js';
import type { HeadMapping, ResponseHead } from './response-head.js';

const HOLD_BYTES = 16 * 1024;
const HOLD_MS = 2;
const DEFAULT_STALL_MS = 60_000;

/** How long responses are held. All writers of a front door share it: hardly any response is held until then. */
export function newHolds(clock: Pick<Clock, 'now' | 'after'>): DelayLine {
  return new DelayLine(clock, HOLD_MS);
}

/**
 * Writes the response of a call to an HTTP client.
 *
 *   holding ──too many bytes, or too long since the first──▶ streaming
 *      └──────────────── finish, fail ────────────────────────▶ ended
 *
 * W1  What is held can still be taken back: a small answer gets its exact length, an early failure a clean error.
 * W2  Once bytes are out, a failure breaks the connection. A client never takes a part for the whole.
 * W3  A client that takes nothing for too long is given up: its call would wait for it without end.
 * W4  No more bytes go out than were announced; a function that announced more than it sent has failed (W2).
 * W5  Only `writeHead` and `write` throw. Whatever cannot be written, the client is answered, or its connection is
 *     broken.
 */
export class HttpResponseWriter implements ResponseWriter {
  /** Sent as `Fn-Call-Id` with any response. Set as soon as the call has an id. */
  callId = '';
  /** Sent as `Fn-Explain` with a response, if the client asked for it. */
  explain: (() => string) | undefined;
  private state: 'holding' | 'streaming' | 'ended' = 'holding';
  private head: ResponseHead | undefined;
  private held: Buffer[] = [];
  private heldBytes = 0;
  private holdTimer: Timer | undefined;
  /** The error that occurred when a held response was to be sent. */
  private beginFailed: Error | undefined;
  /** Remaining bytes of an announced length. */
  private owedBytes = Number.POSITIVE_INFINITY;
  private outlet: BodyOutlet | undefined;

  constructor(
    private readonly res: ServerResponse,
    private readonly mapHead: HeadMapping,
    private readonly holds: DelayLine,
    private readonly clock: Pick<Clock, 'after'> = systemClock,
    private readonly stallMs = DEFAULT_STALL_MS,
  ) {}

  writeHead(status: number, headers: HeaderList): void {
    this.head ??= this.mapHead(status, headers);
  }

  write(chunk: BorrowedBytes): boolean {
    if (this.beginFailed) throw this.beginFailed;
    if (this.state === 'streaming') return this.send(chunk);
    if (this.state === 'ended') return true;
    this.held.push(Buffer.from(chunk));
    this.heldBytes += chunk.length;
    if (this.heldBytes > HOLD_BYTES) return this.startStreaming();
    this.holdTimer ??= this.holds.add(() => this.beginHeld());
    return true;
  }

  onDrain(callback: () => void): void {
    const stalled = this.clock.after(this.stallMs, () => this.res.destroy()); // W3
    const settled = () => stalled.cancel();
    this.res.once('close', settled);
    this.outlet?.onRoom(() => {
      this.res.off('close', settled);
      settled();
      callback();
    });
  }

  /** The call has succeeded. */
  finish(): void {
    if (this.beginFailed) return this.fail(this.beginFailed);
    try {
      if (this.state === 'holding') this.sendWhole();
      else if (this.state === 'streaming') this.endStream();
      this.end();
    } catch (error) {
      this.fail(error); // W5
    }
  }

  /** Responds for the balancer itself. @param headers alternating names and values, for the client as they are */
  answer(status: number, headers: readonly string[], body: string): void {
    this.head = { status, headers, contentLength: undefined };
    this.write(Buffer.from(body));
    this.finish();
  }

  /** The call has failed. Drops what is held, including all headers of the function. */
  fail(error: unknown): void {
    const { state } = this;
    this.end();
    this.held = [];
    this.outlet?.drop();
    try {
      if (state === 'holding') {
        if (this.callId !== '') this.res.setHeader('Fn-Call-Id', this.callId);
        sendError(this.res, error);
      } else if (!this.res.writableEnded) this.breakOff();
    } catch {
      this.res.destroy(); // W5
    }
  }

  private end(): void {
    this.state = 'ended';
    this.holdTimer?.cancel();
  }

  private sendWhole(): void {
    const { status, headers, contentLength } = this.head ?? this.mapHead(200, []);
    const lines = this.withOurs(headers);
    // A response without a body may still announce the length that it would have.
    const length = this.bodyless(status) ? contentLength : this.heldBytes;
    if (length !== undefined && status !== 204) lines.push('Content-Length', String(length));
    this.res.writeHead(status, lines);
    const [only] = this.held;
    this.res.end(this.held.length > 1 ? Buffer.concat(this.held, this.heldBytes) : only);
    this.held = [];
  }

  /** Catches errors, because nothing else would catch those of a timer. */
  private beginHeld(): void {
    try {
      this.startStreaming();
    } catch (error) {
      this.beginFailed = error instanceof Error ? error : new Error(String(error));
    }
  }

  private startStreaming(): boolean {
    this.holdTimer?.cancel();
    const { status, headers, contentLength } = this.head ?? this.mapHead(200, []);
    const lines = this.withOurs(headers);
    if (contentLength !== undefined && status !== 204) lines.push('Content-Length', String(contentLength));
    if (contentLength !== undefined && !this.bodyless(status)) this.owedBytes = contentLength;
    this.res.writeHead(status, lines);
    this.state = 'streaming';
    const chunks = this.held;
    this.held = [];
    return chunks.map((chunk) => this.send(chunk)).at(-1) ?? true;
  }

  private send(chunk: BorrowedBytes): boolean {
    // A disconnected client reads nothing and never drains; its call is already being cancelled.
    if (this.res.destroyed || this.owedBytes === 0) return true;
    const fitting = chunk.length > this.owedBytes ? chunk.subarray(0, this.owedBytes) : chunk;
    this.owedBytes -= fitting.length;
    this.outlet ??= new BodyOutlet(this.res);
    return this.outlet.send(fitting);
  }

  private endStream(): void {
    const short = this.owedBytes > 0 && this.owedBytes !== Number.POSITIVE_INFINITY;
    if (short) return this.breakOff();
    this.outlet?.flush();
    this.res.end();
  }

  /** W2. An HTTP/1.0 client takes a closed connection for a complete response, but not a reset one. */
  private breakOff(): void {
    const { socket, req } = this.res;
    if (req.httpVersionMinor === 0 && socket !== null && !('encrypted' in socket)) socket.resetAndDestroy();
    else this.res.destroy();
  }

  private withOurs(headers: readonly string[]): string[] {
    const lines = this.callId === '' ? [...headers] : [...headers, 'Fn-Call-Id', this.callId];
    // Addresses come from the source of the pool, and may contain characters that headers must not.
    if (this.explain) lines.push('Fn-Explain', this.explain().replace(/[^\x20-\x7e]/g, '?'));
    return lines;
  }

  private bodyless(status: number): boolean {
    return this.res.req.method === 'HEAD' || status === 204 || status === 304;
  }
}
