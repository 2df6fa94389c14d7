import type { Connection } from './connection.js';

/** Limit for concurrent PINGs. Requests made meanwhile share the next one. */
const MAX_PINGS = 4;

/**
 * Tells when the other end of an HTTP/2 connection has read what was sent to it. It answers a PING after everything before it,
 * and does not answer if the connection is lost. This works through any network failure, costs one round trip, and needs no code
 * of the peer.
 */
export class DeliveryReceipts {
  private waiting: (() => void)[] = [];
  private pings = 0;
  private due = false;

  /** @param connection forgets a PING when it is lost */
  constructor(private readonly connection: Pick<Connection, 'ping' | 'beforeFlush'>) {}

  /** For data that is already sent or queued. Calls back when it has been read; never, if the connection is lost. */
  request(onRead: () => void): void {
    this.waiting.push(onRead);
    this.schedule();
  }

  /** All requests of a turn share a PING, which follows what they are about. */
  private schedule(): void {
    if (this.due || this.pings >= MAX_PINGS) return;
    this.due = true;
    this.connection.beforeFlush(this.ping);
  }

  private readonly ping = (): void => {
    this.due = false;
    const asked = this.waiting;
    this.waiting = [];
    this.pings += 1;
    this.connection.ping(() => {
      this.pings -= 1;
      for (const onRead of asked) onRead();
      if (this.waiting.length > 0) this.schedule();
    });
  };
}
