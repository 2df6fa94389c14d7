import {
  type BorrowedBytes,
  FnError,
  type HeaderList,
  type MonoMs,
  type RequestBody,
  type ResponseWriter,
  type TraceContext,
} from '@fnfleet/core';
import { NOTHING_REPORTED, oversize } from '../wire/codec.js';
import { FrameBody } from './frame-body.js';
import type { CallReport } from './messages.js';
import {
  type ClientMessage,
  MAX_FRAME_BYTES,
  MAX_MESSAGE_BYTES,
  type ResultStartMessage,
  type TryMessage,
} from './messages.js';
import { GRPC_STATUS, type RunnerStream, type RunnerStreamHandler } from './stream.js';

/**
 * One call offered by one balancer: the runner's side of an engagement.
 *
 *   awaitingTry ──try──▶ admitting ──writeHead──▶ answering ──run is over──▶ closed
 *        │                   └────────run is over────────────────────────────▲  ▲
 *        ├──anything else (violation), cancelled───────────────────────────────┘
 *   admitting, answering ──violation before eof, cancelled──▶ closed
 *
 * R1  `run` is called once, after `try`; its report becomes the only `finished`.
 * R2  Nothing follows `finished`, and the status after it is OK. A refusal is also a `finished`, never a status.
 * R3  A violation ends the RPC with UNKNOWN and aborts the call, possibly without `finished`.
 * R4  After `eof` everything from the balancer is ignored; half-closing before it is a violation.
 * R5  A slow balancer stops the function through `write`; a slow function stops the balancer through FrameBody.
 * R6  `started` has left the process before the function gets its first byte. A closed session does not send it, and then nothing
 *     starts either: a balancer that lost the stream without it may offer the call elsewhere.
 * R7  No message is larger than the other side accepts. A call in a larger message is answered with an error that blames the call;
 *     an answer whose head would need one is rejected.
 *
 * The balancer's side is `BalancerSession`.
 */
type State = 'awaitingTry' | 'admitting' | 'answering' | 'closed';

/** Runs a call. Never rejects: the outcome is in the report. */
export type RunCall = (offer: TryMessage, io: CallIo) => Promise<CallEnd>;

export interface CallEnd {
  readonly report: CallReport;
  /** The load of the runner at that time, as encoded by `encodeOrca`. */
  readonly load?: string;
}

export interface CallIo {
  readonly body: RequestBody;
  readonly response: ResponseWriter;
  /** Aborts when the balancer no longer wants the call. */
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch; undefined: none. */
  readonly deadlineAt: MonoMs | undefined;
  /** The parent span of the call. */
  readonly trace: TraceContext;
  /** Must be called before a function gets the first byte, which waits for the callback. Undefined if not requested. */
  readonly beforeStart: BeforeStart | undefined;
}

/** Calls back when the call may start; never, if it is no longer wanted. */
export type BeforeStart = (start: () => void) => void;

const EXPECTED_TRY = 'Protocol failure: expected ClientMsg_Try';
const EXPECTED_DATA = 'Protocol failure: expected ClientMsg_Data';

export class RunnerSession implements RunnerStreamHandler, ResponseWriter {
  private state: State = 'awaitingTry';
  private sawEof = false;
  private readonly body: FrameBody;
  private readonly controller = new AbortController();
  private drained: (() => void) | undefined;

  constructor(
    private readonly stream: RunnerStream,
    private readonly run: RunCall,
  ) {
    this.body = new FrameBody(stream);
  }

  onMessage(message: ClientMessage): void {
    if (this.state === 'closed' || this.sawEof) return; // R4
    if (this.state === 'awaitingTry') {
      if (message.kind === 'try') this.admit(message);
      else this.violation(EXPECTED_TRY);
      return;
    }
    if (message.kind !== 'data') return this.violation(EXPECTED_DATA);
    this.sawEof = message.eof;
    this.body.push(message.data, message.eof);
  }

  onHalfClose(): void {
    if (this.state === 'awaitingTry') this.violation(EXPECTED_TRY);
    else if (!this.sawEof) this.violation(EXPECTED_DATA); // R4
  }

  onWritable(): void {
    const { drained } = this;
    this.drained = undefined;
    drained?.();
  }

  onCancelled(): void {
    this.close('the balancer cancelled the call');
  }

  /** R7 */
  onOversize(bytes: number, maxBytes: number): void {
    const { message, status } = new FnError('callTooLarge', { params: { bytes, max: maxBytes } });
    if (this.state === 'awaitingTry') {
      return this.finish({ report: { ...NOTHING_REPORTED, errorCode: status, errorText: message, errorUser: true } });
    }
    if (this.state === 'closed') return;
    this.close(message);
    this.stream.end(GRPC_STATUS.RESOURCE_EXHAUSTED, message); // R3
  }

  // --- the answer of the function, as its ResponseWriter ---

  writeHead(status: number, headers: HeaderList): void {
    if (this.state !== 'admitting') return;
    const head: ResultStartMessage = { kind: 'resultStart', status, headers };
    if (oversize(head, MAX_MESSAGE_BYTES) !== undefined) throw new FnError('functionResponseHeaderTooBig'); // R7
    this.state = 'answering';
    this.stream.send(head);
  }

  write(chunk: BorrowedBytes): boolean {
    if (this.state !== 'answering') return true;
    let room = true;
    for (let at = 0; at < chunk.length; at += MAX_FRAME_BYTES) {
      room = this.stream.send({ kind: 'data', data: chunk.subarray(at, at + MAX_FRAME_BYTES), eof: false });
    }
    return room;
  }

  onDrain(callback: () => void): void {
    if (this.state === 'closed') callback();
    else this.drained = callback;
  }

  private admit(offer: TryMessage): void {
    this.state = 'admitting';
    const { body, stream, controller: abort } = this;
    const beforeStart = stream.wantsStart ? (start: () => void) => this.announceStart(start) : undefined;
    const { deadlineAt, trace } = stream;
    const io = { body, response: this, signal: abort.signal, deadlineAt, trace, beforeStart };
    void this.run(offer, io).then((end) => this.finish(end)); // R1
  }

  /** R6 */
  private announceStart(start: () => void): void {
    if (this.state === 'closed') return;
    this.stream.sendNow({ kind: 'started' }, () => {
      if (this.state !== 'closed') start();
    });
  }

  private finish({ report, load }: CallEnd): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.stream.send({ kind: 'finished', report });
    this.body.discard();
    this.stream.end(GRPC_STATUS.OK, '', load); // R2
  }

  private violation(details: string): void {
    this.close(details);
    this.stream.end(GRPC_STATUS.UNKNOWN, details); // R3
  }

  private close(reason: string): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.body.fail(new Error(reason));
    this.controller.abort();
    this.onWritable(); // a waiting writer learns that the session is over
  }
}
