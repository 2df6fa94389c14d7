import type { Readable } from 'node:stream';
import {
  type BorrowedBytes,
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
import { type AgentCall, cancelReason } from '../call/agent-call.js';
import type { Turns } from '../call/call-clock.js';
import { type ExchangeEnd, endFromConnection, endUnsent } from './exchange-end.js';
import { framing, MAX_FRAMING_BYTES, requestHead } from './function-request.js';
import type { ReplyHandler } from './reply-parser.js';
import type { UploadListener } from './upload.js';

/** The connection as an exchange uses it. */
export interface ExchangeConnection {
  /** Calls `onOpen` of the exchange, or `onFailed`. */
  open(exchange: Exchange): void;
  /**
   * Sends the head, together with the body if that is complete; otherwise `upload` follows.
   * @returns false when the connection failed before it accepted a byte; it then calls `onOpen` or `onFailed`, as `open` does
   */
  send(head: string, body: Buffer, exchange: Exchange): boolean;
  upload(body: Readable, exchange: Exchange): void;
  pause(): void;
  resume(): void;
  /** @param complete whether request and response are complete; otherwise the connection is closed */
  release(exchange: Exchange, complete: boolean): void;
}

export interface ExchangeLimits {
  /** Maximum size of the head of a request; 0: no limit. */
  readonly maxRequestHeadBytes: number;
  /** Maximum size of the body of a response; 0: no limit. */
  readonly maxBodyBytes: number;
  /** Maximum size of the headers of a response; 0: the default. */
  readonly maxHeaderBytes: number;
}

/** The deadline that is sent to the function. */
export interface Deadlines {
  /** For a body that is sent together with the head. */
  readonly complete: WallMs;
  /** For a body that is still arriving: the function's time starts with its last byte, at a time not yet known. */
  readonly streamed: WallMs;
}

/** E5. Waited for in two halves, so that data that arrived while this process was blocked is read in between. */
const HALF_ABANDON_GRACE_MS = 50;

const NOTHING = Buffer.alloc(0);

/** How much of an unneeded response body is read in order to keep the connection. */
const MAX_DISCARDED_BYTES = 64 * 1024;

/** Nobody waits for the response any more. */
interface Abandoned {
  readonly kind: 'abandoned';
  /** If the rest of the response arrives in time. */
  readonly end: ExchangeEnd;
  grace: Timer;
}

type Phase =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'sending' }
  | { readonly kind: 'relaying' }
  /** The rest of the response is discarded, so that the connection can be kept. */
  | { readonly kind: 'draining'; readonly end: ExchangeEnd }
  | Abandoned
  | { readonly kind: 'settled' };

const CONNECTING: Phase = { kind: 'connecting' };
const SENDING: Phase = { kind: 'sending' };
const RELAYING: Phase = { kind: 'relaying' };
const SETTLED: Phase = { kind: 'settled' };

/**
 * One call to a function: sends `POST /call` and relays the response to the call's writer.
 *
 *   sending ──200──▶ relaying ──end of body──▶ settled
 *      ├──431, 502, 504──▶ draining ──end of body──▶ settled
 *      ├──caller gone──▶ abandoned ──end of body, or grace over──▶ settled
 *      └──anything else, lost, aborted────────▶ settled   (from every phase)
 *
 * E1  settle() is the only way out: it resolves once, ends the upload and removes the listener from the caller's signal.
 * E2  Nothing is written to the writer before a 200 has arrived and the request body has been sent completely.
 * E3  After the writer asks for a pause it gets no byte until it calls back.
 * E4  A request is sent at most once, and only after the sender of the call knows that it starts. The sender is notified once
 *     there is a connection: without one nothing has run, and another container can take the call.
 * E5  If the caller disconnects before the request is sent, it is not sent. Once sent, the function gets twice
 *     HALF_ABANDON_GRACE_MS to finish, and its container keeps serving: a client that closes many connections at once must not
 *     destroy all hot containers.
 * E6  Headers that are too long for the function's HTTP library are not the function's fault: they are not sent, and if the
 *     library itself rejects them (431) the container keeps serving.
 */
export class Exchange implements ReplyHandler, UploadListener {
  private readonly ended = new Deferred<ExchangeEnd>();
  private phase: Phase = CONNECTING;
  private head = '';
  private announced = false;
  /** The whole body, if it was available when the request was sent. */
  private complete: Buffer | undefined;
  private bytes = 0;

  constructor(
    private readonly call: AgentCall,
    private readonly deadlines: Deadlines,
    private readonly limits: ExchangeLimits,
    private readonly clock: Pick<Clock, 'after'>,
    private readonly connection: ExchangeConnection,
    private readonly turns: Turns,
  ) {}

  /** Resolves when the outcome is known. Never rejects. */
  get end(): Promise<ExchangeEnd> {
    return this.ended.promise;
  }

  begin(): void {
    const { call } = this;
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

  /** Ends the exchange from outside. The container must not be reused. */
  abort(error: Error): void {
    this.settle({ error, reusable: false });
  }

  onOpen(): void {
    if (this.phase.kind !== 'connecting') return;
    if (this.announced || this.call.beforeStart === undefined) return this.send();
    this.announced = true;
    this.call.beforeStart(this.onAnnounced);
  }

  onHead(status: number, headers: HeaderList, length: number | undefined): void {
    if (this.phase.kind !== 'sending') return;
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

  onData(chunk: BorrowedBytes): void {
    const { phase } = this;
    if (phase.kind === 'relaying') this.relay(chunk);
    else if (phase.kind === 'draining' || phase.kind === 'abandoned') this.swallow(chunk, phase.end);
  }

  onEnd(): void {
    const { phase } = this;
    if (phase.kind === 'relaying') this.settle({ error: undefined, reusable: true }, true);
    else if (phase.kind === 'draining' || phase.kind === 'abandoned') this.settle(phase.end, true);
  }

  /** The connection failed or could not be established. */
  onFailed(cause: Error): void {
    const { phase } = this;
    switch (phase.kind) {
      case 'connecting':
        return this.settle(endUnsent(cause, this.unsentBody));
      case 'sending':
      case 'relaying':
        return this.settle(endFromConnection(cause, phase.kind, this.call.body.consumed));
      case 'draining':
        return this.settle(phase.end);
      case 'abandoned':
        return this.settle({ ...phase.end, reusable: false });
    }
  }

  onUploadFailed(error: Error | undefined): void {
    this.settle({ error: error ?? new CancelledError(), reusable: false });
  }

  onUploadWaits(bytes: number): void {
    if (this.phase.kind === 'sending') this.turns.callersTurn(bytes);
  }

  onUploadBlocked(): void {
    this.turns.functionsTurn();
  }

  onUploaded(): void {
    this.turns.functionsTurn();
  }

  private readonly onAnnounced = (): void => {
    // The exchange may have ended meanwhile.
    if (this.phase.kind === 'connecting') this.send();
  };

  private send(): void {
    const { body } = this.call;
    let rest: Readable | undefined;
    try {
      // The body may have been cut off, or exceeded a limit, before the function received a byte.
      this.complete ??= body.takeComplete();
      if (this.complete === undefined) rest = body.stream();
    } catch (error) {
      return this.settle({ error, reusable: true }, true);
    }
    const { complete, deadlines } = this;
    const head = this.head + (complete ? framing(deadlines.complete, complete.length) : framing(deadlines.streamed));
    if (!this.connection.send(head, complete ?? NOTHING, this)) return;
    this.phase = SENDING;
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
    this.phase = RELAYING;
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
    if (this.phase.kind === 'relaying') this.connection.resume();
  };

  /** Runs code of the writer. An exception ends the call and closes the connection; the function is not to blame. */
  private write(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.settle({ error, reusable: true });
    }
  }

  private drain(end: ExchangeEnd): void {
    this.phase = { kind: 'draining', end };
  }

  private swallow(chunk: Buffer, end: ExchangeEnd): void {
    this.bytes += chunk.length;
    if (this.bytes > MAX_DISCARDED_BYTES) this.settle(end);
  }

  private readonly onCallerGone = (): void => {
    const error = cancelReason(this.call.signal);
    const isSending = this.phase.kind === 'sending';
    if (!isSending || !this.call.body.consumed) {
      // A function that has received part of a request may be doing anything, so its container is not reused. If it has received
      // nothing, or has already sent headers, closing the connection is enough.
      return this.settle({ error, reusable: !isSending });
    }
    const half = (then: () => void) => this.clock.after(HALF_ABANDON_GRACE_MS, then);
    const abandoned: Abandoned = {
      kind: 'abandoned',
      end: { error, reusable: true },
      grace: half(() => {
        abandoned.grace = half(() => this.settle({ error, reusable: false }));
      }),
    };
    this.phase = abandoned;
  };

  /** @param complete request and response are complete, so the connection can be reused */
  private settle(end: ExchangeEnd, complete = false): void {
    const { phase } = this;
    if (phase.kind === 'settled') return;
    this.phase = SETTLED;
    if (phase.kind === 'abandoned') phase.grace.cancel();
    this.call.signal.removeEventListener('abort', this.onCallerGone);
    this.connection.release(this, complete);
    if (!this.call.body.consumed && end.unsent === undefined) this.call.body.discard();
    this.ended.resolve(end);
  }
}
