import type { IncomingMessage } from 'node:http';
import {
  type CallTemplate,
  type Clock,
  encodeQueuedRequest,
  FnError,
  headersFromRaw,
  type IdGenerator,
  isHopByHop,
  requestUrl,
} from '@fnfleet/core';
import { checkDeclaredLength, readBody } from '@fnfleet/http';
import type { PushAnswer } from '@fnfleet/queue';
import type { CallQueues } from './call-queues.js';

export interface CallAcceptorOptions {
  readonly queues: CallQueues;
  /** Maximum size of a body, bytes. */
  readonly maxBodyBytes: number;
  /** Maximum size of all bodies that are held until a queue has confirmed them. */
  readonly maxHeldBytes: number;
  readonly ids: IdGenerator;
  readonly clock: Clock;
}

/** Room for the head of a call and for what surrounds its body. */
const HEAD_BYTES = 64 * 1024;

/** Accepts asynchronous calls: receives the whole body, and hands it to a queue. */
export class CallAcceptor {
  private heldBytes = 0;

  constructor(private readonly options: CallAcceptorOptions) {}

  newId(): string {
    return this.options.ids.next(this.options.clock.wallNow());
  }

  /**
   * Resolves when the call is on disk.
   * @param callId of a call that is handed in only once
   * @param hidden name of a header that the function must not see
   * @throws FnError `requestTooBig` before anything is read if the length is announced, `queueOverloaded` if too many bodies are
   *   held; otherwise as `push` of the queues; CancelledError if the caller left before the end of the body
   */
  async accept(
    callId: string,
    { fn }: CallTemplate,
    req: IncomingMessage,
    hidden: string | undefined,
  ): Promise<PushAnswer> {
    const { queues, maxBodyBytes, maxHeldBytes, clock } = this.options;
    checkDeclaredLength(req, maxBodyBytes);
    const declared =
      req.headers['transfer-encoding'] === undefined ? Number(req.headers['content-length'] ?? 0) : undefined;
    const bytes = HEAD_BYTES + (declared ?? maxBodyBytes);
    if (this.heldBytes > 0 && this.heldBytes + bytes > maxHeldBytes) throw new FnError('queueOverloaded');
    this.heldBytes += bytes;
    try {
      const body = await readBody(req, maxBodyBytes);
      const all = Object.entries(headersFromRaw(req.rawHeaders));
      const headers = all.filter(([name, values]) => name !== hidden && !isHopByHop(name, values[0] ?? ''));
      const head = encodeQueuedRequest({
        method: req.method ?? '',
        url: requestUrl(req),
        headers: Object.fromEntries(headers),
        triggerId: '',
        createdAt: clock.wallNow(),
      });
      return await queues.push({ callId, fnId: fn.id, head, body, idempotencyKey: idempotencyKey(req) });
    } finally {
      this.heldBytes -= bytes;
    }
  }
}

function idempotencyKey({ headers }: IncomingMessage): string | undefined {
  const key = headers['idempotency-key'];
  return (Array.isArray(key) ? key[0] : key) || undefined;
}
