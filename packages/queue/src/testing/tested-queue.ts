import type { FakeClock } from '@fnfleet/core';
import type { QueueBounds } from '../bounds.js';
import type { Delivery, MessageQueue, NewMessage, ReserveRequest } from '../message-queue.js';
import type { Failure, RetryPolicy } from '../retry-policy.js';
import type { QueueSetup } from './queue-setup.js';

export const LEASE_MS = 30_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
export const SUCCESS = { head: '{"status":200}', body: Buffer.from('answer') };
export const CRASHED: Failure = { kind: 'function', code: 'functionFailed', message: 'exit code 1' };
export const LOST: Failure = { kind: 'platform', code: 'serverBusy', message: 'the runner was lost' };
export const POLICY: RetryPolicy = {
  attempts: 2,
  backoffMs: 1_000,
  maxBackoffMs: 10_000,
  retryOn: ['function', 'timeout'],
};

/** The queue of the test that runs, and what tests do with it. Its store is new for each test. */
export class TestedQueue {
  setup!: QueueSetup;
  queue!: MessageQueue;
  private pushed = 0;

  constructor(private readonly newSetup: () => QueueSetup) {}

  get clock(): FakeClock {
    return this.setup.clock;
  }

  async create(): Promise<void> {
    this.setup = this.newSetup();
    this.pushed = 0;
    await this.open();
  }

  async remove(): Promise<void> {
    await this.queue.close();
    await this.setup.remove();
    expect(this.clock.pendingTimers).toBe(0);
  }

  async open(bounds?: Partial<QueueBounds>): Promise<void> {
    this.queue = await this.setup.open(bounds);
  }

  async killAndReopen(): Promise<void> {
    await this.setup.kill();
    await this.reopen();
  }

  readonly reopen = async (bounds?: Partial<QueueBounds>): Promise<void> => {
    await this.queue.close();
    await this.open(bounds);
  };

  readonly push = async (message: Partial<NewMessage> = {}): Promise<string> => {
    const full = { callId: this.newId(), fnId: 'f', head: '{}', body: Buffer.from('body'), policy: POLICY, ...message };
    await this.queue.push(full);
    return full.callId;
  };

  readonly reserve = (request: Partial<ReserveRequest> = {}): Promise<readonly Delivery[]> =>
    this.queue.reserve({ holder: 'lb-1', limit: 1, leaseMs: LEASE_MS, ...request });

  readonly one = async (): Promise<Delivery> => {
    const [delivery] = await this.reserve();
    if (delivery === undefined) throw new Error('nothing is ready');
    return delivery;
  };

  readonly bury = ({ lease }: Delivery) => this.queue.bury(lease, { code: 'x', message: '' });

  readonly state = async (callId: string) => (await this.queue.get(callId))?.state;

  readonly advance = async (ms: number): Promise<void> => {
    await this.clock.advance(ms);
    // What was due by then has been done when this is answered.
    await this.queue.stats();
  };

  /** A store that works in real time looks for what it may forget at the time at which a step begins, or with the next one. */
  readonly passFourMinutes = async (): Promise<void> => {
    for (let i = 0; i < 4; i += 1) await this.advance(60_000);
  };

  private newId(): string {
    this.pushed += 1;
    return `c${String(this.pushed).padStart(5, '0')}`;
  }
}

export const ids = (deliveries: readonly Delivery[]): string[] => deliveries.map(({ lease }) => lease.callId);
