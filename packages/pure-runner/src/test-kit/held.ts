import type { IncomingMessage, ServerResponse } from 'node:http';

/** A function whose calls wait until the test releases them. */
export class Held {
  private waiting: (() => void)[] = [];
  private arrived: (() => void)[] = [];
  calls = 0;
  aborted = 0;

  readonly handler = async (request: IncomingMessage, response: ServerResponse) => {
    request.resume();
    response.once('close', () => {
      if (!response.writableFinished) this.aborted += 1;
    });
    this.calls += 1;
    for (const wake of this.arrived.splice(0)) wake();
    await new Promise<void>((resolve) => this.waiting.push(resolve));
    response.end('released');
  };

  async untilCalled(times: number): Promise<void> {
    while (this.calls < times) await new Promise<void>((resolve) => this.arrived.push(resolve));
  }

  release(): void {
    for (const go of this.waiting.splice(0)) go();
  }
}
