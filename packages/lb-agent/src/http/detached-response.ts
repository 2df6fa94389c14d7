import type { HeaderList, ResponseWriter } from '@fnfleet/core';

const ACCEPTED = 202;

/**
 * The response to a detached call. The first status confirms that the call has started on the runner; output is
 * dropped.
 */
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

  /** The call has succeeded, so it has certainly started, even if the runner never confirmed that. */
  finish(): void {
    this.writeHead(ACCEPTED, []);
  }
}
