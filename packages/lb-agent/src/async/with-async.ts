import { hostname } from 'node:os';
import { type Clock, type DrainResult, type Logger, silentLogger, systemClock } from '@fnfleet/core';
import type { LbCall } from '../call/lb-call.js';
import type { LbAgent } from '../lb-agent.js';
import type { FunctionLookup } from '../lookup/function-lookup.js';
import { AsyncConsumer } from './async-consumer.js';
import type { DequeueAccess } from './call-queues.js';
import { type CpuMeter, newCpuMeter } from './cpu-meter.js';
import { Pace } from './pace.js';

/** Time to report the ends of asynchronous calls when the agent ends. Calls of which nothing is reported run again. */
const REPORT_MS = 5_000;

export interface AsyncOptions {
  /** Looks up the function of a call when the call runs. */
  readonly lookup: Pick<FunctionLookup, 'byId'>;
  /** Maximum number of asynchronous calls at a time. Default 16; 0: it takes none. */
  readonly consumers?: number | undefined;
  /** Share of the CPU in use, from 0 to 1, from which on the machine is busy, so that fewer of them run. Default 0.8. */
  readonly busy?: number | undefined;
  /** How many asynchronous calls may start for each other one although that makes these slower, from 0 to 1. Default 0: one a second. */
  readonly share?: number | undefined;
  /** Measures the CPU in use. Default: of the machine, or of this process if it uses a larger share of one core. */
  readonly cpu?: CpuMeter;
  /** How long the agent has a call before it must renew that, milliseconds. Default 30 000. */
  readonly leaseMs?: number | undefined;
  /** Who runs the calls, for their history. Default: host name and process id. */
  readonly holder?: string;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** An agent that also runs asynchronous calls. */
export interface AsyncLbAgent extends LbAgent {
  /** Takes no more asynchronous calls; those that run go on. Idempotent. `drain` and `close` do the same. */
  stopAsync(): void;
}

/**
 * Lets an agent run the asynchronous calls of queues, while it has room and no other call waits. The result owns the agent: to drain
 * or close it ends the asynchronous calls as well, and reports how they ended.
 */
export function withAsync(agent: LbAgent, dequeue: DequeueAccess, options: AsyncOptions): AsyncLbAgent {
  const {
    consumers = 16,
    busy = 0.8,
    share = 0,
    cpu = newCpuMeter(),
    holder = `${hostname()}-${process.pid}`,
    logger = silentLogger,
    clock = systemClock,
  } = options;
  const { lookup, leaseMs } = options;
  const pace = new Pace({ limit: consumers, busy, share, cpu, clock });
  const consumer = new AsyncConsumer({
    agent,
    lookup,
    queues: dequeue,
    limit: consumers,
    pace,
    leaseMs,
    holder,
    clock,
    logger,
  });
  return new ConsumingAgent(agent, consumer, pace);
}

class ConsumingAgent implements AsyncLbAgent {
  readonly ready: Promise<void>;
  readonly getCall: LbAgent['getCall'];
  readonly foresee: LbAgent['foresee'];
  readonly addCallListener: LbAgent['addCallListener'];
  readonly explain: LbAgent['explain'];
  readonly fleetStatus: LbAgent['fleetStatus'];
  readonly askRunners: LbAgent['askRunners'];
  readonly setCordoned: LbAgent['setCordoned'];

  constructor(
    private readonly agent: LbAgent,
    private readonly consumer: AsyncConsumer,
    private readonly pace: Pace,
  ) {
    this.ready = agent.ready;
    this.getCall = agent.getCall.bind(agent);
    this.foresee = agent.foresee.bind(agent);
    this.addCallListener = agent.addCallListener.bind(agent);
    this.explain = agent.explain.bind(agent);
    this.fleetStatus = agent.fleetStatus.bind(agent);
    this.askRunners = agent.askRunners.bind(agent);
    this.setCordoned = agent.setCordoned.bind(agent);
  }

  /** Not for the calls of the consumer, which has the agent itself. */
  submit(call: LbCall): Promise<void> {
    const client = this.pace.clientCall();
    return this.agent.submit(call).then(
      () => this.pace.clientEnd(client),
      (error: unknown) => {
        this.pace.clientEnd(client);
        throw error;
      },
    );
  }

  stopAsync(): void {
    this.consumer.stop();
  }

  async drain(options: { graceMs: number }): Promise<DrainResult> {
    this.consumer.stop();
    const result = await this.agent.drain(options);
    await this.consumer.whenIdle(REPORT_MS);
    return result;
  }

  async close(): Promise<void> {
    this.consumer.stop();
    await this.agent.close();
    await this.consumer.whenIdle(REPORT_MS);
  }
}
