import { type Deferred, decodeFrames, encodeFrames, FnError, type Frame, PeerError, parseBody } from '@fnfleet/core';
import type { Delivery, ReserveRequest } from '@fnfleet/queue';
import type { ApiNode } from '../lookup/api-node.js';
import { answersOf, asked, MAX_RESERVED, NO_BODY, readable } from './queue-messages.js';
import type { QueueRequests } from './queue-requests.js';

/** How long the end of a call is reported; then its lease is over, and it runs again. */
const SETTLE_MS = 30_000;

/** A reservation that travels with the ends of calls, and the calls that it leases. */
export interface Reservation {
  readonly request: ReserveRequest;
  readonly leased: Deferred<readonly Delivery[]>;
}

/** Reports how calls from the queue of a node ended. */
export class EndReports {
  constructor(
    private readonly requests: QueueRequests,
    private readonly node: ApiNode,
  ) {}

  /** Whether its node takes a reservation together with ends. */
  get mayReserve(): boolean {
    return this.requests.reserveWithEnds.has(this.node);
  }

  /**
   * Reports at the node from which the calls came, or at another one that has taken over its queue.
   * @param more of that node: it is asked for once, whatever becomes of the ends
   */
  async send(frames: readonly Frame[], more?: Reservation): Promise<readonly unknown[]> {
    const bytes = encodeFrames(frames);
    const leave = this.requests.enter();
    const { reserveWithEnds } = this.requests;
    let wanted = more;
    try {
      return await this.requests.untilAnswered(
        SETTLE_MS,
        () => this.node,
        async (node, silenceMs) => {
          const reservation = node === this.node ? wanted : undefined;
          wanted = undefined;
          // Another node would be asked for calls in its turn.
          if (reservation === undefined) more?.leased.reject(new FnError('queueUnavailable'));
          else return await this.sendAndReserve(frames, reservation, silenceMs);
          const answer = parseBody((await this.sendTo(node, bytes, silenceMs)).toString());
          if (answer.raw('reserves') === true) reserveWithEnds.add(node);
          else reserveWithEnds.delete(node);
          return answersOf(answer, frames);
        },
      );
    } finally {
      more?.leased.reject(new FnError('queueUnavailable'));
      leave();
    }
  }

  /** One request and one transaction for both. */
  private async sendAndReserve(
    frames: readonly Frame[],
    { request, leased }: Reservation,
    silenceMs: number,
  ): Promise<readonly unknown[]> {
    const frame = { head: JSON.stringify({ kind: 'reserve', ...asked(request) }), body: NO_BODY };
    try {
      const bytes = await this.sendTo(this.node, encodeFrames([...frames, frame]), silenceMs);
      const [first, ...calls] = decodeFrames(bytes, MAX_RESERVED + 1);
      const answer = parseBody(first?.head ?? '');
      if (answer.raw('reserved') === true) leased.resolve(calls.flatMap(readable));
      else leased.reject(new FnError('queueUnavailable'));
      return answersOf(answer, frames);
    } catch (error) {
      // It may be an older node by now, which has refused all of it.
      this.requests.reserveWithEnds.delete(this.node);
      leased.reject(error);
      throw error;
    }
  }

  /** A queue that has no room for a moment is asked again. */
  private async sendTo(node: ApiNode, bytes: Buffer, silenceMs: number): Promise<Buffer> {
    try {
      return await this.requests.post(node, 'settle', bytes, { silenceMs });
    } catch (error) {
      throw error instanceof PeerError ? new FnError('queueUnavailable', { cause: error }) : error;
    }
  }
}
