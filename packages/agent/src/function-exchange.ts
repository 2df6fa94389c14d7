import type { Readable } from 'node:stream';
import { CancelledError, type Clock, Deferred, FnError, type Timer, type WallMs } from '@fnfleet/core';
import type { Client, Dispatcher } from 'undici';
import type { AgentCall } from './agent-call.js';
import { cancelReason } from './cancel-reason.js';
import { type ExchangeEnd, endFromTransport, type FailedWhile } from './exchange-end.js';
import { replyHeaders } from './function-reply.js';
import { requestHeaders } from './function-request.js';

export interface ExchangeLimits {
  /** Bytes of a reply's body; 0: no limit. */
  readonly maxBodyBytes: number;
  /** Bytes of a reply's headers; 0: the default. */
  readonly maxHeaderBytes: number;
}

/** E5. In two halves: what came while this process itself was held up is read in between. */
const HALF_LEAVE_GRACE_MS = 50;

/** How much of the body of a reply that nobody wants is read to keep the connection. */
const UNWANTED_BYTES = 64 * 1024;

/**
 * One call on its way through a function: `POST /call`, and the reply into the call's writer.
 *
 *   sending ──200──▶ relaying ──end of body──▶ settled
 *      ├──502, 504──▶ draining ──end of body──▶ settled
 *      ├──caller gone──▶ abandoned ──end of body, or out of patience──▶ settled
 *      └──anything else, lost, aborted────────▶ settled   (from every phase)
 *
 * E1  settle() is the only way out: it answers once, ends the upload and lets go of the caller's signal.
 * E2  Nothing is written to the writer before a 200 has come and the request body has gone out completely.
 * E3  The writer gets no byte after it asked for a pause, until it calls back.
 * E4  A request is sent at most once, and not before whoever sent the call has been told that it starts.
 * E5  A call whose caller goes before it was sent is not sent. One that was sent gets two HALF_LEAVE_GRACE_MS to end by
 *     itself. Its container then serves on: a client that closes many connections at once does not take all hot
 *     containers along.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  private readonly ended = new Deferred<ExchangeEnd>();
  private phase: FailedWhile | 'draining' | 'abandoned' | 'settled' = 'connecting';
  private controller: Dispatcher.DispatchController | undefined;
  private bytes = 0;
  /** Set while the writer is slow: what came in spite of the pause, and how to end once it has been written. */
  private held: Buffer[] | undefined;
  private endAfterHeld: ExchangeEnd | undefined;
  private uploadError: Error | undefined;
  /** The result of a reply whose body nobody wants. */
  private verdict: ExchangeEnd | undefined;
  private patience: Timer | undefined;

  constructor(
    private readonly call: AgentCall,
    private readonly limits: ExchangeLimits,
    private readonly clock: Pick<Clock, 'after'>,
  ) {}

  /** Resolves when the caller can be told. Never rejects. */
  get end(): Promise<ExchangeEnd> {
    return this.ended.promise;
  }

  begin(client: Client, deadline: WallMs): void {
    const { call } = this;
    if (call.signal.aborted) return this.settle({ error: cancelReason(call.signal), reusable: true });
    call.signal.addEventListener('abort', this.onCallerGone);
    if (call.beforeStart === undefined) this.send(client, deadline);
    else call.beforeStart(() => this.send(client, deadline));
  }

  private send(client: Client, deadline: WallMs): void {
    if (this.phase === 'settled') return; // ended while it was announced
    const { call } = this;
    try {
      const headers = requestHeaders(call, deadline);
      client.dispatch({ method: 'POST', path: '/call', headers, body: this.openBody() }, this);
    } catch (error) {
      this.settle({ error, reusable: true });
    }
  }

  /** Ends the exchange from outside; the container must not be used again. */
  abort(error: Error): void {
    this.breakOff({ error, reusable: false });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    if (this.phase === 'settled') return controller.abort(new CancelledError());
    this.phase = 'sending';
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (this.phase !== 'sending' || status < 200) return;
    switch (status) {
      case 200:
        return this.startRelay(controller);
      case 502:
        return this.drain({ error: new FnError('functionFailed'), reusable: true });
      case 504:
        return this.drain({ error: new FnError('callTimeout'), reusable: true });
      default: {
        const cause = new Error(`the FDK answered with status ${status}`);
        this.breakOff({ error: new FnError('functionInvalidResponse', { cause }), reusable: false });
      }
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.phase === 'relaying') this.relay(controller, chunk);
    else if (this.verdict) this.swallow(chunk);
  }

  onResponseEnd(): void {
    if (this.phase === 'relaying') this.endRelay({ error: undefined, reusable: true });
    else if (this.verdict) this.settle(this.verdict);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    const { phase } = this;
    if (phase === 'settled') return;
    if (phase === 'draining') return this.settle(this.verdict ?? { error, reusable: false });
    if (phase === 'abandoned') return this.settle({ error: this.verdict?.error ?? error, reusable: false });
    if (this.uploadError !== undefined) return this.settle({ error: this.uploadError, reusable: false });
    const end = endFromTransport(error, phase, this.call.body.consumed);
    if (phase === 'relaying') this.endRelay(end);
    else this.settle(end);
  }

  private openBody(): Buffer | Readable {
    const { body } = this.call;
    const complete = body.takeComplete();
    if (complete !== undefined) return complete;
    const stream = body.stream();
    stream.on('error', (error) => {
      this.uploadError ??= error;
    });
    return stream;
  }

  private startRelay(controller: Dispatcher.DispatchController): void {
    if (!this.call.body.consumed) {
      return this.breakOff({ error: new FnError('functionPrematureWrite'), reusable: true });
    }
    this.phase = 'relaying';
    this.write(() => this.call.response.writeHead(200, replyHeaders(controller.rawHeaders)));
  }

  private relay(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const { maxBodyBytes } = this.limits;
    this.bytes += chunk.length;
    const excess = maxBodyBytes > 0 ? this.bytes - maxBodyBytes : 0;
    if (excess <= 0) return this.forward(controller, chunk);
    if (excess < chunk.length) this.forward(controller, chunk.subarray(0, chunk.length - excess));
    this.endRelay({ error: new FnError('functionResponseTooBig'), reusable: true });
    controller.abort(new CancelledError());
  }

  private forward(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    // A connection that ends while it is paused hands over the rest nevertheless.
    if (this.held) return void this.held.push(chunk);
    this.write(() => {
      if (this.call.response.write(chunk)) return;
      this.held = [];
      controller.pause();
      this.call.response.onDrain(() => this.onDrain());
    });
  }

  private onDrain(): void {
    const held = this.held;
    if (held === undefined || this.phase !== 'relaying') return;
    this.held = undefined;
    this.write(() => {
      for (let chunk = held.shift(); chunk !== undefined; chunk = held.shift()) {
        if (this.call.response.write(chunk)) continue;
        this.held = held;
        this.call.response.onDrain(() => this.onDrain());
        return;
      }
      if (this.endAfterHeld) this.settle(this.endAfterHeld);
      else this.controller?.resume();
    });
  }

  /** Runs code of the writer. What it throws ends the call; the function is not to blame, its connection is closed. */
  private write(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.breakOff({ error, reusable: true });
    }
  }

  private endRelay(end: ExchangeEnd): void {
    if (this.held?.length) this.endAfterHeld ??= end;
    else this.settle(end);
  }

  private drain(verdict: ExchangeEnd): void {
    this.phase = 'draining';
    this.verdict = verdict;
  }

  private swallow(chunk: Buffer): void {
    this.bytes += chunk.length;
    if (this.bytes > UNWANTED_BYTES && this.verdict) this.breakOff(this.verdict);
  }

  private readonly onCallerGone = (): void => {
    const error = cancelReason(this.call.signal);
    if (this.phase !== 'sending' || !this.call.body.consumed) {
      // Nobody knows what a function is doing that has got a part of the request. Where it has got nothing, or its headers
      // are here, its connection is enough to give up.
      return this.breakOff({ error, reusable: this.phase !== 'sending' });
    }
    this.phase = 'abandoned';
    this.verdict = { error, reusable: true };
    this.patience = this.clock.after(HALF_LEAVE_GRACE_MS, () => {
      this.patience = this.clock.after(HALF_LEAVE_GRACE_MS, () => this.breakOff({ error, reusable: false }));
    });
  };

  private breakOff(end: ExchangeEnd): void {
    if (this.phase === 'settled') return;
    this.settle(end);
    this.controller?.abort(new CancelledError());
  }

  private settle(end: ExchangeEnd): void {
    if (this.phase === 'settled') return;
    this.phase = 'settled';
    this.patience?.cancel();
    this.held = undefined;
    this.call.signal.removeEventListener('abort', this.onCallerGone);
    if (!this.call.body.consumed) this.call.body.discard();
    this.ended.resolve(end);
  }
}
