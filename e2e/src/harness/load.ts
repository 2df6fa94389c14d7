import { within } from '@fnfleet/testing';
import type { Answer } from './invoke.js';

export interface FailedCall {
  readonly id: string;
  /** As the balancer has it; empty when there was no answer. */
  readonly callId: string;
  /** Status and body of the answer, or what the client met instead. */
  readonly how: string;
}

/** A load that fails this often has shown what it was to show: it ends, so that whoever waits for answers hears of it. */
const MOST_FAILED = 200;

const ANSWERS_MS = 90_000;

/** Some clients that call again and again, each as soon as it has its answer. */
export class Load {
  private readonly failed: FailedCall[] = [];
  private answered = 0;
  private calls = 0;
  private ending = false;
  private readonly clients: Promise<void>[];
  private readonly waiting = new Set<{
    readonly count: number;
    readonly resolve: () => void;
    readonly reject: (reason: Error) => void;
  }>();

  /** @param call makes one call; the id is different for each */
  constructor(
    clients: number,
    private readonly call: (id: string) => Promise<Answer>,
  ) {
    this.clients = Array.from({ length: clients }, () => this.client());
  }

  /** Resolves when so many more calls have been answered with 200, rejects when too many fail. */
  untilAnswered(more: number): Promise<void> {
    const { answered } = this;
    const work = new Promise<void>((resolve, reject) => {
      if (this.ending) reject(this.tooManyFailed());
      else this.waiting.add({ count: answered + more, resolve, reject });
    });
    return within(ANSWERS_MS, `${more} more answers than ${answered}`, work);
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
        else this.countFailure({ id, callId: String(headers['fn-call-id'] ?? ''), how: `${status} ${body}` });
      } catch (error) {
        this.countFailure({ id, callId: '', how: causes(error) });
      }
    }
  }

  private countFailure(failure: FailedCall): void {
    this.failed.push(failure);
    if (this.failed.length < MOST_FAILED) return;
    this.ending = true;
    for (const { reject } of this.waiting) reject(this.tooManyFailed());
    this.waiting.clear();
  }

  private tooManyFailed(): Error {
    const how = this.failed.at(-1)?.how;
    return new Error(
      `of ${this.calls} calls ${this.answered} were answered, ${this.failed.length} failed; last: ${how}`,
    );
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

function causes(error: unknown): string {
  return error instanceof Error && error.cause ? `${error}: ${causes(error.cause)}` : String(error);
}
