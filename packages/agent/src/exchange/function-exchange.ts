import type { Readable } from 'node:stream';
import {
  CancelledError,
  type Clock,
  completeBody,
  Deferred,
  FnError,
  type HeaderList,
  type RequestBody,
  type Timer,
  type WallMs,
} from '@fnfleet/core';
import type { AgentCall } from '../call/agent-call.js';
import type { Turns } from '../call/call-clock.js';
import { cancelReason } from '../call/cancel-reason.js';
import { type ExchangeEnd, endFromConnection, endUnsent, type FailedWhile } from './exchange-end.js';
import { framing, MAX_FRAMING_BYTES, requestHead } from './function-request.js';
import type { ReplyHandler } from './reply-parser.js';
import type { UploadListener } from './upload.js';

/** What an exchange needs of its connection. */
export interface ExchangeConnection {
  /** Calls `onOpen` of the exchange, or `onFailed`. */
  open(exchange: Exchange): void;
  /**
   * Sends the head, and with it the body if it is complete; else `upload` follows.
   * @returns false when the connection failed before it took a byte; calls `onOpen` or `onFailed` then, as `open` does
   */
  send(head: string, body: Buffer, exchange: Exchange): boolean;
  upload(body: Readable, exchange: Exchange): void;
  pause(): void;
  resume(): void;
  /** `complete`: request and answer have come to their ends. Otherwise it is broken. */
  release(exchange: Exchange, complete: boolean): void;
}

export interface ExchangeLimits {
  /** Bytes of a request's head; 0: no limit. */
  readonly maxRequestHeadBytes: number;
  /** Bytes of a reply's body; 0: no limit. */
  readonly maxBodyBytes: number;
  /** Bytes of a reply's headers; 0: the default. */
  readonly maxHeaderBytes: number;
}

/** When the function is told that its time is over. */
export interface Deadlines {
  /** For a body that goes out with the head. */
  readonly complete: WallMs;
  /** For one that is still coming: the function's time begins when its last byte is there, which nobody knows yet. */
  readonly streamed: WallMs;
}

/** E5. In two halves: what came while this process itself was held up is read in between. */
const HALF_LEAVE_GRACE_MS = 50;

const NOTHING = Buffer.alloc(0);

/** How much of the body of a reply that nobody wants is read to keep the connection. */
const UNWANTED_BYTES = 64 * 1024;

/**
 * One call on its way through a function: `POST /call`, and the reply into the call's writer.
 *
 *   sending ──200──▶ relaying ──end of body──▶ settled
 *      ├──431, 502, 504──▶ draining ──end of body──▶ settled
 *      ├──caller gone──▶ abandoned ──end of body, or out of patience──▶ settled
 *      └──anything else, lost, aborted────────▶ settled   (from every phase)
 *
 * E1  settle() is the only way out: it answers once, ends the upload and lets go of the caller's signal.
 * E2  Nothing is written to the writer before a 200 has come and the request body has gone out completely.
 * E3  The writer gets no byte after it asked for a pause, until it calls back.
 * E4  A request is sent at most once, and not before whoever sent the call has been told that it starts. That is said when
 *     there is a connection: where there is none nothing has run, and another container may have the call.
 * E5  A call whose caller goes before it was sent is not sent. One that was sent gets two HALF_LEAVE_GRACE_MS to end by
 *     itself. Its container then serves on: a client that closes many connections at once does not take all hot
 *     containers along.
 * E6  Headers that are too long for the function's HTTP library say nothing about the function: they are not sent, and where
 *     the library says so itself (431) its container serves on.
 */
export class Exchange implements ReplyHandler, UploadListener {
  private readonly ended = new Deferred<ExchangeEnd>();
  private phase: 'connecting' | FailedWhile | 'draining' | 'abandoned' | 'settled' = 'connecting';
  private head = '';
  private deadlines: Deadlines | undefined;
  private announced = false;
  /** The whole body, where it was there when the request was to be sent. */
  private complete: Buffer | undefined;
  private bytes = 0;
  /** The result of a reply whose body nobody wants. */
  private verdict: ExchangeEnd | undefined;
  private patience: Timer | undefined;

  constructor(
    private readonly call: AgentCall,
    private readonly limits: ExchangeLimits,
    private readonly clock: Pick<Clock, 'after'>,
    private readonly connection: ExchangeConnection,
    private readonly turns: Turns,
  ) {}

  /** Resolves when the caller can be told. Never rejects. */
  get end(): Promise<ExchangeEnd> {
    return this.ended.promise;
  }

  begin(deadlines: Deadlines): void {
    const { call } = this;
    this.deadlines = deadlines;
    if (call.signal.aborted) return this.settle({ error: cancelReason(call.signal), reusable: true });
    call.signal.addEventListener('abort', this.onCallerGone);
    try {
      this.head = requestHead(call);
      const { maxRequestHeadBytes: max } = this.limits;
      // E6
      if (max > 0 && this.head.length + MAX_FRAMING_BYTES > max) throw new FnError('headersTooBig');
    } catch (error) {
      return this.settle({ error, reusable: true }, true);
    }
    this.connection.open(this);
  }

  /** Ends the exchange from outside; the container must not be used again. */
  abort(error: Error): void {
    this.settle({ error, reusable: false });
  }

  onOpen(): void {
    if (this.phase !== 'connecting') return;
    if (this.announced || this.call.beforeStart === undefined) return this.send();
    this.announced = true;
    this.call.beforeStart(this.onAnnounced);
  }

  onHead(status: number, headers: HeaderList, length: number | undefined): void {
    if (this.phase !== 'sending') return;
    this.turns.functionsTurn();
    switch (status) {
      case 200:
        return this.startRelay(headers, length);
      case 502:
        return this.drain({ error: new FnError('functionFailed'), reusable: true });
      case 504:
        return this.drain({ error: new FnError('callTimeout'), reusable: true });
      case 431: // E6
        return this.drain({ error: new FnError('headersTooBig'), reusable: true });
      default: {
        const cause = new Error(`the FDK answered with status ${status}`);
        this.settle({ error: new FnError('functionInvalidResponse', { cause }), reusable: false });
      }
    }
  }

  onData(chunk: Buffer): void {
    if (this.phase === 'relaying') this.relay(chunk);
    else if (this.verdict) this.swallow(chunk);
  }

  onEnd(): void {
    if (this.phase === 'relaying') this.settle({ error: undefined, reusable: true }, true);
    else if (this.verdict) this.settle(this.verdict, true);
  }

  /** The connection has failed, or could not be had. */
  onFailed(cause: Error): void {
    const { phase } = this;
    if (phase === 'settled') return;
    if (phase === 'connecting') return this.settle(endUnsent(cause, this.unsentBody));
    if (phase === 'draining') return this.settle(this.verdict ?? { error: cause, reusable: false });
    if (phase === 'abandoned') return this.settle({ error: this.verdict?.error ?? cause, reusable: false });
    this.settle(endFromConnection(cause, phase, this.call.body.consumed));
  }

  onUploadFailed(error: Error | undefined): void {
    this.settle({ error: error ?? new CancelledError(), reusable: false });
  }

  onUploadWaits(bytes: number): void {
    if (this.phase === 'sending') this.turns.callersTurn(bytes);
  }

  onUploadBlocked(): void {
    this.turns.functionsTurn();
  }

  onUploaded(): void {
    this.turns.functionsTurn();
  }

  private readonly onAnnounced = (): void => {
    // Unless it ended while it was announced.
    if (this.phase === 'connecting') this.send();
  };

  private send(): void {
    const { body } = this.call;
    let rest: Readable | undefined;
    try {
      // A body may have broken off, or turned out too large, before the function had a byte.
      this.complete ??= body.takeComplete();
      if (this.complete === undefined) rest = body.stream();
    } catch (error) {
      return this.settle({ error, reusable: true }, true);
    }
    const { complete, deadlines } = this;
    if (deadlines === undefined) return;
    const head = this.head + (complete ? framing(deadlines.complete, complete.length) : framing(deadlines.streamed));
    if (!this.connection.send(head, complete ?? NOTHING, this)) return;
    this.phase = 'sending';
    if (rest === undefined) return;
    this.turns.callersTurn(0);
    this.connection.upload(rest, this);
  }

  private get unsentBody(): RequestBody {
    return this.complete === undefined ? this.call.body : completeBody(this.complete);
  }

  private startRelay(headers: HeaderList, length: number | undefined): void {
    const { maxBodyBytes } = this.limits;
    if (!this.call.body.consumed) {
      return this.settle({ error: new FnError('functionPrematureWrite'), reusable: true });
    }
    if (maxBodyBytes > 0 && length !== undefined && length > maxBodyBytes) {
      return this.settle({ error: new FnError('functionResponseTooBig'), reusable: true });
    }
    this.phase = 'relaying';
    this.write(() => this.call.response.writeHead(200, headers));
  }

  private relay(chunk: Buffer): void {
    const { maxBodyBytes } = this.limits;
    this.bytes += chunk.length;
    const excess = maxBodyBytes > 0 ? this.bytes - maxBodyBytes : 0;
    if (excess <= 0) return this.forward(chunk);
    if (excess < chunk.length) this.forward(chunk.subarray(0, chunk.length - excess));
    this.settle({ error: new FnError('functionResponseTooBig'), reusable: true });
  }

  private forward(chunk: Buffer): void {
    this.write(() => {
      if (this.call.response.write(chunk)) return;
      this.connection.pause();
      this.call.response.onDrain(this.onDrain);
    });
  }

  private readonly onDrain = (): void => {
    if (this.phase === 'relaying') this.connection.resume();
  };

  /** Runs code of the writer. What it throws ends the call; the function is not to blame, its connection is closed. */
  private write(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.settle({ error, reusable: true });
    }
  }

  private drain(verdict: ExchangeEnd): void {
    this.phase = 'draining';
    this.verdict = verdict;
  }

  private swallow(chunk: Buffer): void {
    this.bytes += chunk.length;
    if (this.bytes > UNWANTED_BYTES && this.verdict) this.settle(this.verdict);
  }

  private readonly onCallerGone = (): void => {
    const error = cancelReason(this.call.signal);
    if (this.phase !== 'sending' || !this.call.body.consumed) {
      // Nobody knows what a function is doing that has got a part of the request. Where it has got nothing, or its headers
      // are here, its connection is enough to give up.
      return this.settle({ error, reusable: this.phase !== 'sending' });
    }
    this.phase = 'abandoned';
    this.verdict = { error, reusable: true };
    this.patience = this.clock.after(HALF_LEAVE_GRACE_MS, () => {
      this.patience = this.clock.after(HALF_LEAVE_GRACE_MS, () => this.settle({ error, reusable: false }));
    });
  };

  /** @param complete request and answer have come to their ends, and the connection may carry others */
  private settle(end: ExchangeEnd, complete = false): void {
    if (this.phase === 'settled') return;
    this.phase = 'settled';
    this.patience?.cancel();
    this.call.signal.removeEventListener('abort', this.onCallerGone);
    this.connection.release(this, complete);
    if (!this.call.body.consumed && end.unsent === undefined) this.call.body.discard();
    this.ended.resolve(end);
  }
}
