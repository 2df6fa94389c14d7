/** Pings that are on their way at most. What is asked for meanwhile shares the next one. */
const MAX_PINGS = 4;

/**
 * Tells when the other end of an HTTP/2 connection has read what was sent to it. It answers a PING after all that came
 * before it, and nothing that has lost the connection answers one: this holds through any cut of the network, at the price
 * of one round trip and none of the peer's code.
 */
export class DeliveryReceipts {
  private waiting: (() => void)[] = [];
  private pings = 0;

  /** @param connection forgets a ping when it is lost */
  constructor(private readonly connection: { ping(answered: () => void): void }) {}

  /** For what is on its way already, in front of a PING. Calls back when it has been read; never, when the connection is lost. */
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
