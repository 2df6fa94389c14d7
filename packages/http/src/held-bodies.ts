import type { IncomingMessage } from 'node:http';
import { type Clock, Deferred, FnError, later, type MonoMs, TurnoverSet } from '@fnfleet/core';
import { checkDeclaredLength, readBody } from './request-body.js';

export interface HeldBodiesOptions {
  /** Maximum size of all of them. One alone may be larger. */
  readonly maxBytes: number;
  readonly clock: Pick<Clock, 'now'>;
}

/** A body that takes longer makes room for others. */
const SLOW_MS = 5_000;

/** A request whose body arrives. */
interface Arriving {
  readonly since: MonoMs;
  heldBytes: number;
  isRefused: boolean;
  readonly refusal: Deferred<never>;
}

/**
 * Bodies that are received whole, and have a bound together, because there may be thousands of connections. What a client has announced and
 * not sent takes no room.
 */
export class HeldBodies {
  private heldBytes = 0;
  /** The longest first. */
  private readonly arriving = new TurnoverSet<Arriving>();

  constructor(private readonly options: HeldBodiesOptions) {}

  /**
   * Receives a body, and holds it until `use` settles.
   * @param maxBytes of this body. Whether one of a single byte is larger than 0 is left to `use`, because 0 is no limit for `readBody`
   * @param besides bytes that the request takes in addition to its body
   * @throws FnError `requestTooBig`, before anything is read if the length is announced; `queueOverloaded` if there is no room, or if others
   *   need the room that a slow body takes; CancelledError if the client left before the end of the body
   */
  async during<T>(
    req: IncomingMessage,
    { maxBytes, besides = 0 }: { readonly maxBytes: number; readonly besides?: number },
    use: (body: Buffer) => Promise<T>,
  ): Promise<T> {
    const limit = Math.max(1, maxBytes);
    checkDeclaredLength(req, limit);
    const { clock } = this.options;
    const request: Arriving = { since: clock.now(), heldBytes: 0, isRefused: false, refusal: new Deferred() };
    try {
      this.hold(request, besides);
      this.arriving.add(request);
      const arrives = readBody(req, limit, (bytes) => this.hold(request, bytes));
      const body = await Promise.race([arrives, request.refusal.promise]);
      this.arriving.delete(request);
      return await use(body);
    } finally {
      this.arriving.delete(request);
      this.heldBytes -= request.heldBytes;
    }
  }

  /** @throws FnError `queueOverloaded` */
  private hold(request: Arriving, bytes: number): void {
    const { maxBytes, clock } = this.options;
    for (const slow of this.arriving) {
      if (this.heldBytes + bytes <= maxBytes || clock.now() < later(slow.since, SLOW_MS)) break;
      if (slow !== request) this.refuse(slow);
    }
    const hasOthers = this.heldBytes > request.heldBytes;
    if (request.isRefused || (hasOthers && this.heldBytes + bytes > maxBytes)) {
      throw new FnError('queueOverloaded');
    }
    this.heldBytes += bytes;
    request.heldBytes += bytes;
  }

  private refuse(request: Arriving): void {
    this.arriving.delete(request);
    this.heldBytes -= request.heldBytes;
    request.heldBytes = 0;
    request.isRefused = true;
    request.refusal.reject(new FnError('queueOverloaded'));
  }
}
