import fc from 'fast-check';
import type { CancelAnswer, Delivery, MessageQueue, NewMessage, Priority, PushAnswer } from '../message-queue.js';
import type { Failure, RetryPolicy } from '../retry-policy.js';
import { BrokenPromise, CallLedger } from './call-ledger.js';
import type { QueueSetup } from './queue-setup.js';

const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;
/** The last function may have one lease at a time. */
const FUNCTIONS = ['a', 'b', 'narrow'] as const;
const HOLDERS = ['lb-1', 'lb-2', 'lb-3'] as const;
/** So few that a function with all of `GREEDY` has its share after one more. */
const MAX_KEYS = 10;
const GREEDY = Array.from({ length: 8 }, (_, n) => `greedy-${n}`);
const ANSWER = { head: '{}', body: Buffer.from('x') };

const FAILURES: Readonly<Record<string, Failure>> = {
  function: { kind: 'function', code: 'functionFailed', message: '' },
  platform: { kind: 'platform', code: 'serverBusy', message: '' },
  caller: { kind: 'caller', code: 'resourceTooBig', message: '' },
};

/** What clients and holders ask of a queue. `which` chooses among what there is. */
type Request =
  | {
      readonly kind: 'push';
      readonly fnId: (typeof FUNCTIONS)[number];
      readonly priority: Priority;
      readonly delayMs: number;
      readonly maxAgeMs: number | undefined;
      readonly key: string | undefined;
      readonly attempts: number;
    }
  | {
      readonly kind: 'reserve';
      readonly holder: (typeof HOLDERS)[number];
      readonly limit: number;
      readonly leaseMs: number;
      readonly perFunction: number | undefined;
      /** How many calls of each function the holder says it has. */
      readonly held: number;
    }
  /** By a holder whose lease may have expired long ago. */
  | { readonly kind: 'extend' | 'complete' | 'giveBack' | 'bury'; readonly which: number }
  | { readonly kind: 'retry'; readonly which: number; readonly failure: keyof typeof FAILURES }
  | { readonly kind: 'cancel' | 'redrive'; readonly which: number };

type Step =
  | Request
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'stepWall'; readonly ms: number }
  | { readonly kind: 'reopen' }
  /** Kills the process some turns after it has begun with these. */
  | { readonly kind: 'crash'; readonly requests: readonly Request[]; readonly turns: number };

export type Schedule = readonly Step[];

const which = fc.nat(1_000);
const request: fc.Arbitrary<Request> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('push' as const),
      fnId: fc.constantFrom(...FUNCTIONS),
      priority: fc.constantFrom<Priority>(0, 1, 2),
      delayMs: fc.constantFrom(0, 0, 5_000, 60_000),
      maxAgeMs: fc.constantFrom(undefined, undefined, 40_000),
      key: fc.constantFrom(undefined, undefined, 'k1', 'k2'),
      attempts: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('reserve' as const),
      holder: fc.constantFrom(...HOLDERS),
      limit: fc.integer({ min: 1, max: 3 }),
      leaseMs: fc.constantFrom(10_000, 30_000),
      perFunction: fc.constantFrom(undefined, undefined, 1, 2),
      held: fc.nat(2),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom('extend', 'complete', 'complete', 'giveBack', 'bury'), which }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('retry' as const),
      which,
      failure: fc.constantFrom('function', 'function', 'platform', 'caller'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('cancel', 'redrive'), which }) },
);

const schedules: fc.Arbitrary<Schedule> = fc.array(
  fc.oneof(
    { weight: 14, arbitrary: request as fc.Arbitrary<Step> },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('advance' as const),
        ms: fc.constantFrom(1_000, 6_000, 10_000, 31_000, 70_000),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('stepWall' as const),
        ms: fc.constantFrom(-10 * YEAR_MS, -HOUR_MS, HOUR_MS, 10 * YEAR_MS),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('crash' as const),
        // Answers to a redrive, which takes several transactions, do not come in the order of effects.
        requests: fc.array(
          request.filter(({ kind }) => kind !== 'redrive'),
          { maxLength: 5 },
        ),
        turns: fc.nat(8),
      }),
    },
  ),
  { minLength: 5, maxLength: 60, size: 'max' },
);

/**
 * Holds if a queue keeps its promises in every schedule.
 * @param newSetup a new, empty store
 * @param around wraps each opened queue, to plant faults
 */
export function keepsItsPromises(
  newSetup: () => QueueSetup,
  around: (queue: MessageQueue) => MessageQueue = (queue) => queue,
): fc.IAsyncProperty<[Schedule]> {
  return fc.asyncProperty(schedules, async (schedule) => {
    const setup = newSetup();
    const run = new Run(setup, around);
    try {
      await run.execute(schedule);
    } finally {
      await run.close();
      await setup.remove();
    }
  });
}

/** Calls are kept long enough to be compared at the end. */
const BOUNDS = { keepMs: YEAR_MS, keepDeadMs: YEAR_MS, maxKeys: MAX_KEYS };

/** One schedule on one store. */
class Run {
  private queue: MessageQueue | undefined;
  private readonly ledger: CallLedger;
  /** All that holders ever got, also what they no longer have. */
  private readonly deliveries: Delivery[] = [];
  private pushes = 0;
  private hasLostDeliveries = false;
  /** How far the wall clock was set forward at most, counted back from now. */
  private forwardMs = 0;

  constructor(
    private readonly setup: QueueSetup,
    private readonly around: (queue: MessageQueue) => MessageQueue,
  ) {
    const concurrency = (fnId: string) => (fnId === 'narrow' ? 1 : Number.POSITIVE_INFINITY);
    this.ledger = new CallLedger(setup.clock, concurrency, MAX_KEYS);
  }

  async execute(schedule: Schedule): Promise<void> {
    await this.useUpKeys();
    await this.open();
    for (const step of schedule) await this.step(step);
    await this.runToTheEnd();
  }

  async close(): Promise<void> {
    await this.queue?.close();
  }

  /** One function has most keys, and no calls. */
  private async useUpKeys(): Promise<void> {
    const queue = await this.setup.open(BOUNDS);
    const messages = GREEDY.map((key) => ({
      callId: key,
      fnId: 'a',
      head: '',
      body: Buffer.alloc(0),
      idempotencyKey: key,
    }));
    const answers = await Promise.all(messages.map((message) => queue.push(message)));
    for (const [at, message] of messages.entries()) this.ledger.pushed(message, answers[at] as PushAnswer);
    const cancelled = await Promise.all(GREEDY.map((callId) => queue.cancel(callId)));
    for (const [at, callId] of GREEDY.entries()) this.ledger.cancelled(callId, cancelled[at] as CancelAnswer);
    await queue.close();
  }

  private async step(step: Step): Promise<void> {
    switch (step.kind) {
      case 'advance':
        return this.advance(step.ms);
      case 'stepWall':
        this.forwardMs = Math.max(0, this.forwardMs + step.ms);
        this.setup.clock.stepWall(step.ms);
        return;
      case 'reopen':
        await this.close();
        return this.open();
      case 'crash':
        return this.crash(step.requests, step.turns);
      default:
        await this.ask(step);
    }
  }

  private async open(): Promise<void> {
    this.queue = this.around(await this.setup.open(BOUNDS));
    this.ledger.skip(this.forwardMs);
    this.forwardMs = 0;
    await this.checkRecords();
  }

  private async crash(requests: readonly Request[], turns: number): Promise<void> {
    const asked = Promise.allSettled(requests.map((request) => this.ask(request)));
    for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    await this.setup.kill();
    for (const outcome of await asked) if (outcome.status === 'rejected') unlessBroken(outcome.reason);
    // Also calls whose push came after the reservation in the same transaction.
    if (this.hasLostDeliveries) this.ledger.mayBeDelivered();
    this.hasLostDeliveries = false;
    await this.close();
    await this.open();
  }

  private async advance(ms: number): Promise<void> {
    await this.setup.clock.advance(ms);
    await this.now.stats();
  }

  private get now(): MessageQueue {
    if (this.queue === undefined) throw new Error('not open');
    return this.queue;
  }

  /** @throws BrokenPromise, or the error of the queue after it has been noted that its effect is unknown */
  private async ask(request: Request): Promise<void> {
    const { ledger, now: queue } = this;
    switch (request.kind) {
      case 'push':
        return this.push(request);
      case 'reserve': {
        const { holder, limit, leaseMs, perFunction } = request;
        const held = new Map(FUNCTIONS.map((fnId) => [fnId, request.held]));
        const found = await orNote(queue.reserve({ holder, limit, leaseMs, perFunction, held }), () => {
          this.hasLostDeliveries = true;
        });
        ledger.reserved(found, { perFunction, held });
        for (const delivery of found) {
          ledger.delivered(delivery, leaseMs);
          this.deliveries.push(delivery);
        }
        return;
      }
      case 'cancel':
      case 'redrive':
        return this.operate(request.kind, request.which);
      default:
        return this.use(request);
    }
  }

  private async push({ fnId, priority, delayMs, maxAgeMs, key, attempts }: Request & { kind: 'push' }): Promise<void> {
    this.pushes += 1;
    const policy: RetryPolicy = { attempts, backoffMs: 2_000, maxBackoffMs: 8_000, retryOn: ['function'] };
    const limits = fnId === 'narrow' ? { concurrency: 1 } : {};
    const message: NewMessage = {
      ...{ callId: `c${this.pushes}`, fnId, head: '{}', body: Buffer.from('body') },
      ...{ priority, delayMs, maxAgeMs, policy, limits, idempotencyKey: key },
    };
    try {
      // Awaited as it is: what is answered first is noted first.
      this.ledger.pushed(message, await this.now.push(message));
    } catch (error) {
      if (error instanceof BrokenPromise) throw error;
      if (isForLackOfKeys(error)) return this.ledger.refused(message);
      this.ledger.mayBePushed(message);
      throw error;
    }
  }

  private async operate(kind: 'cancel' | 'redrive', which: number): Promise<void> {
    const { ledger, now: queue } = this;
    const { callIds } = ledger;
    const callId = callIds[which % callIds.length];
    if (callId === undefined) return;
    if (kind === 'cancel') {
      ledger.cancelled(callId, await orNote(queue.cancel(callId), () => ledger.doubt(callId, ['cancelled'])));
    } else {
      ledger.redriven(
        callId,
        await orNote(queue.redrive({ callId }), () => ledger.doubt(callId, ['ready', 'running'])),
      );
    }
  }

  /** A holder does something with one of its leases, likely a recent one. */
  private async use(request: Exclude<Request, { kind: 'push' | 'reserve' | 'cancel' | 'redrive' }>): Promise<void> {
    const { ledger, deliveries, now: queue } = this;
    const recent = request.which % 3 === 0 ? deliveries : deliveries.slice(-4);
    const lease = recent[request.which % Math.max(1, recent.length)]?.lease;
    if (lease === undefined) return;
    const note = (...states: Parameters<CallLedger['doubt']>[1]) => ledger.doubt(lease.callId, states);
    switch (request.kind) {
      case 'extend':
        return ledger.extended(lease, await orNote(queue.extend(lease, 30_000), () => note('running')), 30_000);
      case 'complete':
        return ledger.completed(lease, await orNote(queue.complete(lease, ANSWER), () => note('success')));
      case 'giveBack':
        return ledger.givenBack(lease, await orNote(queue.giveBack(lease), () => note('ready', 'running')));
      case 'bury':
        return ledger.buried(lease, await orNote(queue.bury(lease, { code: 'x', message: '' }), () => note('dead')));
      case 'retry': {
        const failure = FAILURES[request.failure] as Failure;
        const answer = await orNote(queue.retry(lease, failure), () => note('ready', 'delayed', 'dead'));
        return ledger.retried(lease, failure, answer);
      }
    }
  }

  private async checkRecords(): Promise<void> {
    for (const callId of this.ledger.callIds) this.ledger.checkRecord(callId, await this.now.get(callId));
  }

  /** One holder that never fails: what was accepted must end. */
  private async runToTheEnd(): Promise<void> {
    for (let round = 0; round < 20; round += 1) {
      await this.advance(70_000);
      const found = await this.now.reserve({ holder: 'last', limit: 100, leaseMs: 30_000 });
      for (const delivery of found) this.ledger.delivered(delivery, 30_000);
      for (const { lease } of found) this.ledger.completed(lease, await this.now.complete(lease, ANSWER));
      const { ready, delayed, running } = await this.now.stats();
      if (ready + delayed + running === 0) break;
    }
    await this.checkRecords();
    for (const callId of this.ledger.callIds) this.ledger.checkEnd(callId);
  }
}

function isForLackOfKeys(error: unknown): boolean {
  const { code } = error as { readonly code?: string };
  return code === 'queueShareFull' || code === 'queueFull';
}

/** A kill makes requests fail, which is no fault of the queue. */
function unlessBroken(error: unknown): void {
  if (error instanceof BrokenPromise) throw error;
}

/** Notes that the effect is unknown if the answer is lost. */
async function orNote<T>(asked: Promise<T>, note: () => void): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    note();
    throw error;
  }
}
