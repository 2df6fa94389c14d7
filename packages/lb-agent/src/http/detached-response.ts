import type { HeaderList, ResponseWriter } from '@fnfleet/core';

const ACCEPTED = 202;

/** The answer of a detached call: the first status is the runner's word that it has begun; output is dropped. */
export class DetachedResponse implements ResponseWriter {
  private acknowledged = false;

  constructor(
    private readonly client: ResponseWriter,
    private readonly onAcknowledged: () => void,
  ) {}

  get isAcknowledged(): boolean {
    return this.acknowledged;
  }

  writeHead(status: number, _headers: HeaderList): void {
    if (this.acknowledged) return;
    this.acknowledged = true;
    this.client.writeHead(status, []);
    this.onAcknowledged();
  }

  write(_chunk: Buffer): boolean {
    return true;
  }

  onDrain(_callback: () => void): void {}

  /** The call has ended well. A runner that never said it had begun has certainly done so. */
  finish(): void {
    this.writeHead(ACCEPTED, []);
  }
}
