import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Agent, agentSettings, newAgent } from '@fnfleet/agent';
import { type Environment, encodeCall, MIB, readSettings } from '@fnfleet/core';
import { ScriptedDriver, type ScriptedFunction } from '@fnfleet/drivers';
import type { ClientMessage, RunnerMessage } from '@fnfleet/protocol';
import { aCall, type PlayedEngagement, ScriptedBalancer } from '@fnfleet/testing';
import { newPureRunner, type PureRunner, type PureRunnerOptions } from '../pure-runner.js';

export interface TestRunnerOptions extends Partial<Omit<PureRunnerOptions, 'agent'>> {
  /** Functions by image. */
  readonly functions: Readonly<Record<string, ScriptedFunction>>;
  /** Settings of the agent, as environment variables. */
  readonly env?: Environment;
  readonly memoryMb?: number;
}

/** A runner on a real port, with functions in this process. */
export class TestRunner {
  private constructor(
    readonly driver: ScriptedDriver,
    readonly agent: Agent,
    readonly runner: PureRunner,
    readonly balancer: ScriptedBalancer,
  ) {}

  static async start({ functions, env = {}, memoryMb = 1024, ...options }: TestRunnerOptions): Promise<TestRunner> {
    const driver = new ScriptedDriver({ functions });
    const agent = newAgent({
      driver,
      settings: readSettings(agentSettings, env),
      totals: { memoryBytes: memoryMb * MIB, cpuMillis: 4000 },
      logSinks: options.logs ? [options.logs] : [],
      clock: options.clock,
    });
    const runner = newPureRunner({ agent, listen: '127.0.0.1:0', ...options });
    await runner.ready;
    const { listen = '' } = options;
    const address = listen.startsWith('unix:') ? listen : `127.0.0.1:${runner.address.port}`;
    return new TestRunner(driver, agent, runner, new ScriptedBalancer(address));
  }

  /** Offers a call with a body; the test does the rest. */
  offer(call: Parameters<typeof aCall>[0], body = ''): PlayedEngagement {
    const engagement = this.balancer.engage();
    engagement.send(tryOf(call));
    engagement.send(frame(body, true));
    return engagement;
  }

  /** Offers a call and waits for its end. */
  async run(
    call: Parameters<typeof aCall>[0],
    body = '',
  ): Promise<{ kinds: string[]; messages: readonly RunnerMessage[] }> {
    const engagement = this.offer(call, body);
    const status = await engagement.status;
    if (status.code !== 0) throw new Error(`stream ended with ${status.code} ${status.details}`);
    return { kinds: engagement.received.map(({ kind }) => kind), messages: engagement.received };
  }

  /** Closes everything. Throws if anything is left. */
  async close(): Promise<void> {
    this.balancer.close();
    await this.runner.close();
    const { memoryUsedBytes, cpuUsedMillis } = this.agent.utilization;
    const left = { containers: this.driver.counters.live, memoryUsedBytes, cpuUsedMillis };
    if (Object.values(left).some((count) => count !== 0)) throw new Error(`left over: ${JSON.stringify(left)}`);
  }
}

export function tryOf(call: Parameters<typeof aCall>[0], slotHash = ''): ClientMessage {
  return { kind: 'try', callJson: encodeCall(aCall(call)), slotHash, extensions: {} };
}

export function frame(text: string | Buffer, eof = false): ClientMessage {
  return { kind: 'data', data: Buffer.from(text), eof };
}

/** The one `finished` of an engagement. */
export function reportOf(messages: readonly RunnerMessage[]) {
  const reports = messages.flatMap((message) => (message.kind === 'finished' ? [message.report] : []));
  const [report] = reports;
  if (report === undefined || reports.length > 1) throw new Error(`expected one finished, got ${reports.length}`);
  return report;
}

/** The body of the response. */
export function answerOf(messages: readonly RunnerMessage[]): Buffer {
  return Buffer.concat(messages.flatMap((message) => (message.kind === 'data' ? [message.data] : [])));
}

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
