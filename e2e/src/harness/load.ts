import type { Answer } from './invoke.js';

export interface FailedCall {
  readonly id: string;
  /** As the balancer has it; empty when there was no answer. */
  readonly callId: string;
  /** Status and body of the answer, or what the client met instead. */
  readonly how: string;
}

/** Some clients that call again and again, each as soon as it has its answer. */
export class Load {
  private readonly failed: FailedCall[] = [];
  private answered = 0;
  private calls = 0;
  private ending = false;
  private readonly clients: Promise<void>[];
  private readonly waiting = new Set<{ readonly count: number; readonly resolve: () => void }>();

  /** @param call makes one call; the id is different for each */
  constructor(
    clients: number,
    private readonly call: (id: string) => Promise<Answer>,
  ) {
    this.clients = Array.from({ length: clients }, () => this.client());
  }

  /** Resolves when so many more calls have been answered with 200. */
  untilAnswered(more: number): Promise<void> {
    return new Promise((resolve) => this.waiting.add({ count: this.answered + more, resolve }));
  }

  /** Lets the calls in hand end. */
  async end(): Promise<{ readonly answered: number; readonly failed: readonly FailedCall[] }> {
    this.ending = true;
    await Promise.all(this.clients);
    return { answered: this.answered, failed: this.failed };
  }

  private async client(): Promise<void> {
    while (!this.ending) {
      this.calls += 1;
      const id = `${process.pid}-${this.calls}`;
      try {
        const { status, headers, body } = await this.call(id);
        if (status === 200) this.countAnswer();
        else this.failed.push({ id, callId: String(headers['fn-call-id'] ?? ''), how: `${status} ${body}` });
      } catch (error) {
        this.failed.push({ id, callId: '', how: String(error) });
      }
    }
  }

  private countAnswer(): void {
    this.answered += 1;
    for (const waiter of this.waiting) {
      if (this.answered < waiter.count) continue;
      this.waiting.delete(waiter);
      waiter.resolve();
    }
  }
}
