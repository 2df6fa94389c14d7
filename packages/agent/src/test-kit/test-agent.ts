import type { IncomingMessage, ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import {
  type Call,
  type Clock,
  completeBody,
  type FakeClock,
  MIB,
  type RecordedMetrics,
  type RequestBody,
  readSettings,
  systemClock,
} from '@fnfleet/core';
import { type FunctionHandler, fn, type ScriptedDriver, type ScriptedFunction, scriptedDriver } from '@fnfleet/drivers';
import { aCall, RecordingWriter } from '@fnfleet/testing';
import type { Agent } from '../agent.js';
import type { AgentCall } from '../call/agent-call.js';
import { type CallOption, fromModelAndInput, withWriter } from '../call/call-options.js';
import { type AgentOptions, newAgent } from '../new-agent.js';
import { type AgentSettings, agentSettings } from '../settings.js';

export interface Invocation {
  readonly call: AgentCall;
  readonly writer: RecordingWriter;
  /** Settles as submit does. */
  readonly done: Promise<void>;
}

export interface InvokeOptions extends Partial<Call> {
  readonly body?: string | RequestBody;
  readonly writer?: RecordingWriter;
  readonly options?: readonly CallOption[];
}

type Overrides = Partial<Omit<AgentOptions, 'driver' | 'settings'>> & {
  readonly settings?: Partial<AgentSettings>;
  readonly memoryMb?: number;
  /** Where the directories of sockets are made. */
  readonly iofsPath?: string;
};

/** An agent over in-process functions, and the check that it leaves nothing behind. */
export class TestAgent {
  readonly driver: ScriptedDriver;
  readonly agent: Agent;
  private readonly clock: Clock;

  constructor(
    functions: Readonly<Record<string, ScriptedFunction>>,
    { settings, memoryMb, iofsPath, ...options }: Overrides = {},
  ) {
    this.driver = scriptedDriver({ functions, ...(iofsPath === undefined ? {} : { iofsPath }) });
    this.clock = options.clock ?? systemClock;
    this.agent = newAgent({
      driver: this.driver,
      settings: { ...readSettings(agentSettings, {}), ...settings },
      totals: { memoryBytes: (memoryMb ?? 10_000) * MIB, cpuMillis: 8000 },
      ...options,
    });
  }

  /** Builds a call of the function whose image is `image` and submits it. */
  async invoke({
    body = '',
    writer = new RecordingWriter(),
    options = [],
    ...call
  }: InvokeOptions): Promise<Invocation> {
    const model = aCall({
      image: 'echo',
      fnId: `fn-of-${call.image ?? 'echo'}`,
      createdAt: this.clock.wallNow(),
      ...call,
    });
    const input = typeof body === 'string' ? completeBody(Buffer.from(body)) : body;
    const built = await this.agent.getCall(fromModelAndInput(model, input), withWriter(writer), ...options);
    const done = this.agent.submit(built);
    done.catch(() => undefined); // the test looks at it later
    return { call: built, writer, done };
  }

  /** The same, until the call has ended. Throws what the call ends with. */
  async answer(options: InvokeOptions): Promise<RecordingWriter> {
    const { writer, done } = await this.invoke(options);
    await done;
    return writer;
  }

  /** What the call ends with; "ok" when it ends well. */
  async outcome(options: InvokeOptions): Promise<string> {
    const { done } = await this.invoke(options);
    return outcomeOf(done);
  }

  /** Closes the agent and says what is left. All zero, or something leaks. */
  async leftovers(metrics?: RecordedMetrics): Promise<Record<string, number>> {
    for (const gate of Object.values(this.driver.gates)) gate.release();
    await this.agent.close();
    const { memoryUsedBytes, cpuUsedMillis } = this.agent.utilization;
    const gauges = GAUGES.map((name) => [name, metrics?.sum(name) ?? 0] as const);
    const timers = (this.clock as Partial<FakeClock>).pendingTimers ?? 0;
    const { live, heldImages } = this.driver.counters;
    return { live, heldImages, memoryUsedBytes, cpuUsedMillis, timers, ...Object.fromEntries(gauges) };
  }
}

const GAUGES = [
  'queued',
  'running',
  'util_mem_used',
  'util_mem_avail',
  'util_cpu_used',
  'util_cpu_avail',
  'container_wait_total',
  'container_start_total',
  'container_idle_total',
  'container_paused_total',
  'container_busy_total',
] as const;

export const NOTHING_LEFT = Object.fromEntries(
  ['live', 'heldImages', 'memoryUsedBytes', 'cpuUsedMillis', 'timers', ...GAUGES].map((name) => [name, 0]),
);

/** How a call ended: "ok", or the code or name of its error. */
export async function outcomeOf(done: Promise<void>): Promise<string> {
  try {
    await done;
    return 'ok';
  } catch (error) {
    return (error as { code?: string }).code ?? (error as Error).name;
  }
}

/** A function that answers with what it got. */
export const echo: ScriptedFunction = fn(async (req, res) => {
  const body = await buffer(req);
  res.setHeader('Content-Type', 'text/plain').end(body);
});

/** A function whose calls a test answers by hand, in the order in which they arrived. */
export class HeldFunction implements ScriptedFunction {
  readonly requests: { readonly req: IncomingMessage; readonly res: ServerResponse }[] = [];
  private waiters: (() => void)[] = [];

  readonly handler: FunctionHandler = (req, res) => {
    req.resume();
    this.requests.push({ req, res });
    for (const wake of this.waiters.splice(0)) wake();
  };

  /** Resolves when so many requests have arrived in all. */
  async arrived(total: number): Promise<void> {
    while (this.requests.length < total) await new Promise<void>((resolve) => this.waiters.push(resolve));
  }

  answer(index: number, body = ''): void {
    this.requests[index]?.res.end(body);
  }
}
