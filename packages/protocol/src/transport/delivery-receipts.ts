import type http2 from 'node:http2';

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

  constructor(private readonly session: http2.Http2Session) {}

  /** For what has left the process already. Calls back when it has been read; never, when the connection is lost. */
  request(onRead: () => void): void {
    this.waiting.push(onRead);
    if (this.pings < MAX_PINGS) this.ping();
  }

  private ping(): void {
    const asked = this.waiting;
    this.waiting = [];
    if (this.session.destroyed) return;
    this.pings += 1;
    this.session.ping((error: Error | null) => {
      this.pings -= 1;
      if (error) return;
      for (const onRead of asked) onRead();
      if (this.waiting.length > 0) this.ping();
    });
  }
}
