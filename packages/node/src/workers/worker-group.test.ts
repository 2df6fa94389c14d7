import { FakeClock, silentLogger } from '@fnfleet/core';
import type { Do, GroupMessage } from './group-messages.js';
import { WorkerGroup } from './worker-group.js';
import type { Worker, WorkerEvents } from './worker-process.js';

describe('the workers of a balancer', () => {
  it('are monitored: one that hangs is killed and replaced, and the others continue', async () => {
    const clock = new FakeClock();
    const launched: FakeWorker[] = [];
    const group = new WorkerGroup(2, clock, silentLogger, (number, startedAt, _env, events) => {
      const worker = new FakeWorker(number, startedAt, events);
      launched.push(worker);
      return worker;
    });
    await group.start();
    await clock.advance(60_000);
    expect(launched.map(({ signals }) => signals)).toEqual([[], []]);

    const [first] = launched;
    if (first) first.hangs = true;
    await clock.advance(60_000);
    expect(launched.map(({ number, signals }) => ({ number, signals }))).toEqual([
      { number: 1, signals: ['SIGKILL'] },
      { number: 2, signals: [] },
      { number: 1, signals: [] },
    ]);
    await group.close(1000);
    await clock.advance(60_000);
    expect(clock.pendingTimers).toBe(0);
  });
});

/** One that answers whatever it is asked, unless it hangs. */
class FakeWorker implements Worker {
  readonly ready = Promise.resolve({ http: 'http://127.0.0.1:1234' });
  readonly ended: Promise<void>;
  isReady = true;
  unanswered = 0;
  counted = [];
  hangs = false;
  readonly signals: string[] = [];
  private readonly end: () => void;

  constructor(
    readonly number: number,
    readonly startedAt: Worker['startedAt'],
    private readonly events: WorkerEvents,
  ) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.end = resolve;
  }

  send(message: Do | GroupMessage): void {
    if (message.group === 'do' && !this.hangs)
      this.events.onMessage(this, { group: 'done', id: message.id, answer: true });
  }

  signal(signal: NodeJS.Signals): void {
    this.signals.push(signal);
    this.events.onEnd(this, `by ${signal}`);
    this.end();
  }
}
