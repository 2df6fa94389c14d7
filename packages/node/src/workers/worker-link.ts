import { type MetricSnapshot, readMetrics } from '@fnfleet/core';
import { answerQuestion, type LbOperations, type LbQuestion, operationsOfGroup } from '@fnfleet/lb-agent';
import { isGroupMessage } from './group-messages.js';

/** A request to the group: an operator request, metrics, or a liveness check, which only the parent sends. */
export type GroupQuestion = LbQuestion | { readonly ask: 'metrics' } | { readonly ask: 'alive' };

/** Time limit for an answer of the parent, which always answers sooner; milliseconds. */
const ANSWER_MS = 5_000;

/** The connection of one worker to the other processes of its balancer. */
export class WorkerLink {
  private operations: LbOperations | undefined;
  private readonly waiting = new Map<number, (answers: readonly unknown[]) => void>();
  private lastId = 0;

  constructor() {
    process.on('message', (message) => this.receive(message));
  }

  /** Registers the operations of this process. @returns the operations of the whole group */
  join(own: LbOperations): LbOperations {
    this.operations = own;
    return operationsOfGroup((question) => this.askAll(question));
  }

  /** Metrics of all processes, including those that have exited. */
  async metrics(): Promise<MetricSnapshot[]> {
    const [merged] = await this.askAll({ ask: 'metrics' });
    return (merged as MetricSnapshot[] | undefined) ?? readMetrics();
  }

  private askAll(question: GroupQuestion): Promise<readonly unknown[]> {
    this.lastId += 1;
    const id = this.lastId;
    return new Promise((resolve) => {
      const settle = (answers: readonly unknown[]) => {
        clearTimeout(timer);
        this.waiting.delete(id);
        resolve(answers);
      };
      const timer = setTimeout(() => settle([]), ANSWER_MS);
      this.waiting.set(id, settle);
      process.send?.({ group: 'ask', id, question });
    });
  }

  private receive(message: unknown): void {
    if (!isGroupMessage(message)) return;
    if (message.group === 'all') this.waiting.get(message.id)?.(message.answers);
    if (message.group === 'do') void this.answer(message.id, message.question as GroupQuestion);
  }

  private async answer(id: number, question: GroupQuestion): Promise<void> {
    process.send?.({ group: 'done', id, answer: await this.ask(question) });
  }

  private async ask(question: GroupQuestion): Promise<unknown> {
    if (question.ask === 'alive') return true;
    if (question.ask === 'metrics') return readMetrics();
    return this.operations && answerQuestion(this.operations, question);
  }
}
