import type { IncomingMessage } from 'node:http';
import {
  CancelledError,
  type Clock,
  count,
  countFromZero,
  describeError,
  FnError,
  type HeaderMap,
  headersFromRaw,
  type IdGenerator,
  inSpan,
  isHopByHop,
  MAX_WAIT_SECONDS,
  requestUrl,
  SpanKind,
  type TraceContext,
} from '@fnfleet/core';
import { HeldBodies } from '@fnfleet/http';
import type { PushAnswer } from '@fnfleet/queue';
import { triggerHeaders } from '../call/call-options.js';
import { asyncMessage, type EnqueueAccess } from './call-queues.js';

export interface CallAcceptorOptions {
  readonly queue: EnqueueAccess;
  /** Maximum size of a body, bytes. */
  readonly maxBodyBytes: number;
  /** Maximum size of all bodies that are held until a queue has confirmed them. */
  readonly maxHeldBytes: number;
  readonly ids: IdGenerator;
  readonly clock: Clock;
}

/** Room for the head of a call and for what surrounds its body. */
const HEAD_BYTES = 64 * 1024;

/** The span name of Fn. Attempts of the call are linked to it. */
const PUSH_SPAN = 'mq_push';

interface Called {
  readonly fnId: string;
  readonly triggerId: string;
  readonly trace: TraceContext;
}

/** Accepts asynchronous calls: receives the whole body, and hands it to a queue. */
export class CallAcceptor {
  private readonly bodies: HeldBodies;

  constructor(private readonly options: CallAcceptorOptions) {
    this.bodies = new HeldBodies({ maxBytes: options.maxHeldBytes, clock: options.clock });
    countFromZero('lb_async_accepted');
    countFromZero('lb_async_refused', { status: 503 });
  }

  newId(): string {
    return this.options.ids.next(this.options.clock.wallNow());
  }

  /**
   * Resolves when the call is on disk.
   * @param callId of a call that is handed in only once
   * @param called what the request names; the trigger is empty for a direct call
   * @param hidden name of a header that the function must not see
   * @throws FnError `delayInvalid` or `requestTooBig` before anything is read if the length is announced, `queueOverloaded` if too many bodies are
   *   held, or if others need the room that a slow one takes; otherwise as `enqueue`; CancelledError if the caller left before the end of the body
   */
  async accept(callId: string, called: Called, req: IncomingMessage, hidden: string | undefined): Promise<PushAnswer> {
    try {
      const answer = await this.handIn(callId, called, req, hidden);
      count('lb_async_accepted');
      return answer;
    } catch (error) {
      // A caller that left is not refused.
      if (!(error instanceof CancelledError)) count('lb_async_refused', 1, { status: describeError(error).status });
      throw error;
    }
  }

  private async handIn(
    callId: string,
    { fnId, triggerId, trace }: Called,
    req: IncomingMessage,
    hidden: string | undefined,
  ): Promise<PushAnswer> {
    const { queue, maxBodyBytes, clock } = this.options;
    const delayMs = delayOf(req);
    return await this.bodies.during(req, { maxBytes: maxBodyBytes, besides: HEAD_BYTES }, async (body) => {
      const method = req.method ?? '';
      const url = requestUrl(req);
      const given = headersOf(req, hidden);
      // Whoever runs the call later does not know of the request any more.
      const headers = triggerId === '' ? given : triggerHeaders(given, method, url);
      const request = { id: callId, fnId, method, url, headers, triggerId, createdAt: clock.wallNow() };
      const push = (trace: TraceContext) =>
        queue.enqueue({ ...asyncMessage({ ...request, trace }, body), delayMs, idempotencyKey: idempotencyKey(req) });
      const attributes = { 'fn.call_id': callId, 'fn.fn_id': fnId };
      return await inSpan(PUSH_SPAN, trace, push, { kind: SpanKind.PRODUCER, attributes });
    });
  }
}

function headersOf(req: IncomingMessage, hidden: string | undefined): HeaderMap {
  const all = Object.entries(headersFromRaw(req.rawHeaders));
  return Object.fromEntries(all.filter(([name, values]) => name !== hidden && !isHopByHop(name, values[0] ?? '')));
}

/** `Fn-Delay`, in seconds. @throws FnError `delayInvalid` */
function delayOf({ headers }: IncomingMessage): number | undefined {
  const text = headers['fn-delay'];
  if (text === undefined || text === '') return undefined;
  const isNumber = typeof text === 'string' && /^\d{1,9}(\.\d{1,9})?$/.test(text);
  if (!isNumber || Number(text) > MAX_WAIT_SECONDS) {
    throw new FnError('delayInvalid', { params: { max: MAX_WAIT_SECONDS } });
  }
  return Math.ceil(1_000 * Number(text));
}

function idempotencyKey({ headers }: IncomingMessage): string | undefined {
  const key = headers['idempotency-key'];
  return (Array.isArray(key) ? key[0] : key) || undefined;
}
