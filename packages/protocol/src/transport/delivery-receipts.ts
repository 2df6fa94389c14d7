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

  /** @param connection forgets a PING when it is lost */
  constructor(private readonly connection: { ping(answered: () => void): void }) {}

  /** For data that is already sent or queued. Calls back when it has been read; never, if the connection is lost. */
  request(onRead: () => void): void {
    this.waiting.push(onRead);
    if (this.pings < MAX_PINGS) this.ping();
  }

  private ping(): void {
    const asked = this.waiting;
    this.waiting = [];
    this.pings += 1;
    this.connection.ping(() => {
      this.pings -= 1;
      for (const onRead of asked) onRead();
      if (this.waiting.length > 0) this.ping();
    });
  }
}
