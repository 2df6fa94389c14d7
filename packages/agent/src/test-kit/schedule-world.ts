import { setTimeout as realTime } from 'node:timers/promises';
import { FakeClock, later, type RecordedMetrics, STANDBY_ANNOTATION } from '@fnfleet/core';
import { fn, type ScriptedFunction } from '@fnfleet/drivers';
import { withDeadline, withSignal } from '../call/call-options.js';
import { outcomeOf, TestAgent } from './test-agent.js';

/** What a function does with a call, once it has taken its time. */
export type Behaviour = 'answer' | 'fail' | 'nonsense' | 'exit' | 'hang';

export interface CallStep {
  readonly fn: number;
  readonly behaviour: Behaviour;
  readonly takesMs: number;
  /** The caller's own deadline, from now. */
  readonly deadlineMs: number | undefined;
}

const BEHAVIOUR_HEADER = 'Behaviour';
const TAKES_HEADER = 'Takes';
const MEMORY_MB = [50, 100, 150, 100];
/** Steps of the end that almost always need no more than turns of the event loop. */
const UNHURRIED = 400;
const REAL_PAUSE_MS = 10;

interface Placed {
  readonly fnId: string;
  readonly caller: AbortController;
  phase: 'waiting' | 'begun' | 'ended';
  begun: number;
  ended: number;
  outcome: string | undefined;
}

/**
 * A machine with room for a few containers, four functions of different size, and everything that can happen to them.
 * The last function keeps one container on standby.
 */
export class ScheduleWorld {
  readonly clock = new FakeClock();
  readonly test: TestAgent;
  /** What must never happen, and did. */
  readonly violations: string[] = [];
  private readonly calls = new Map<string, Placed>();
  private readonly serving = new Set<string>();
  private failingStarts = 0;

  constructor(
    nonBlocking: boolean,
    private readonly metrics: RecordedMetrics,
  ) {
    const functions: Record<string, ScriptedFunction> = {};
    for (const index of MEMORY_MB.keys()) {
      Object.defineProperty(functions, `f${index}`, { get: () => this.script(), enumerable: true });
    }
    this.test = new TestAgent(functions, {
      clock: this.clock,
      memoryMb: 400,
      settings: { nonBlocking, freezeIdleMs: 50, maxConcurrentLaunches: 2 },
      listeners: [
        {
          beforeCall: ({ model }) => this.change(model.id, 'begun'),
          afterCall: ({ model }) => this.change(model.id, 'ended'),
        },
      ],
    });
  }

  async call({ fn: index, behaviour, takesMs, deadlineMs }: CallStep): Promise<void> {
    const id = `call-${this.calls.size}`;
    const caller = new AbortController();
    const fnId = `fn${index}`;
    const placed: Placed = { fnId, caller, phase: 'waiting', begun: 0, ended: 0, outcome: undefined };
    this.calls.set(id, placed);
    const { done } = await this.test.invoke({
      id,
      fnId,
      image: `f${index}`,
      memoryMb: MEMORY_MB[index] ?? 0,
      timeoutSeconds: 3,
      idleTimeoutSeconds: index,
      headers: { [BEHAVIOUR_HEADER]: [behaviour], [TAKES_HEADER]: [`${takesMs}`] },
      annotations: index === 3 ? { [STANDBY_ANNOTATION]: 1 } : {},
      options: [
        withSignal(caller.signal),
        ...(deadlineMs === undefined ? [] : [withDeadline(later(this.clock.now(), deadlineMs))]),
      ],
    });
    void outcomeOf(done).then((outcome) => {
      if (placed.outcome !== undefined) this.violations.push(`${id} was answered twice`);
      placed.outcome = outcome;
    });
  }

  /** The caller of one of the calls goes away. */
  leave(which: number): void {
    const all = [...this.calls.values()];
    all[which % Math.max(1, all.length)]?.caller.abort();
  }

  /** One of the containers ends by itself. */
  exit(which: number): void {
    const { containers } = this.test.driver;
    containers[which % Math.max(1, containers.length)]?.exit({ exitCode: 1 });
  }

  /** The next so many containers end at their start. */
  failStarts(count: number): void {
    this.failingStarts = count;
  }

  engine(state: 'ok' | 'degraded'): void {
    const { health } = this.test.driver;
    if (state === 'degraded') health.degrade('the test says so');
    else health.recover();
  }

  /** Time passes in small steps, each with some turns of the event loop, so that sockets can keep up. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 100) {
      await this.clock.advance(Math.min(100, ms - passed));
      await this.settle();
    }
  }

  /** What has to hold between any two steps, as soon as everything that needs no time has happened. */
  async check(): Promise<void> {
    await this.settle();
    const { memoryUsedBytes, memoryTotalBytes } = this.test.agent.utilization;
    if (memoryUsedBytes > memoryTotalBytes) this.violations.push('more memory is promised than there is');
    for (const index of MEMORY_MB.keys()) {
      const fnId = `fn${index}`;
      const waiting = [...this.calls.values()].filter((call) => call.fnId === fnId && this.isWaiting(call)).length;
      const idle = this.idle(fnId);
      if (waiting > 0 && idle > 0) this.violations.push(`${fnId}: ${waiting} wait while ${idle} are idle`);
    }
  }

  /** Waits until all calls have ended. @returns their outcomes */
  async finish(): Promise<string[]> {
    this.engine('ok');
    for (let turn = 0; turn < 3_000; turn += 1) {
      if ([...this.calls.values()].every(({ outcome }) => outcome !== undefined)) break;
      await this.pass(100);
      // On a machine that is busy, sockets and files may be slower than all that.
      if (turn > UNHURRIED) await realTime(REAL_PAUSE_MS);
    }
    for (const [id, { outcome, begun, ended }] of this.calls) {
      if (outcome === undefined) this.violations.push(`${id} was never answered`);
      if (begun > 1) this.violations.push(`${id} began ${begun} times`);
      if (begun !== ended) this.violations.push(`${id} began ${begun} times and ended ${ended} times`);
    }
    await this.clock.advance(10_000); // what the functions themselves still wait for
    return [...this.calls.values()].map(({ outcome }) => outcome ?? 'none');
  }

  private isWaiting({ phase, outcome, caller }: Placed): boolean {
    return phase === 'waiting' && outcome === undefined && !caller.signal.aborted;
  }

  private idle(fnId: string): number {
    const labels = { fn_id: fnId };
    return this.metrics.sum('container_idle_total', labels) + this.metrics.sum('container_paused_total', labels);
  }

  private change(id: string, phase: 'begun' | 'ended'): void {
    const call = this.calls.get(id);
    if (call === undefined) return;
    call.phase = phase;
    call[phase] += 1;
  }

  private script(): ScriptedFunction {
    if (this.failingStarts <= 0) return this.working;
    this.failingStarts -= 1;
    return { exitAtStart: 1 };
  }

  private readonly working = fn(async (request, response, container) => {
    if (this.serving.has(container.id)) this.violations.push(`${container.id} has two calls at once`);
    this.serving.add(container.id);
    // Its connection ends with the call when the agent gives up on it.
    response.once('close', () => this.serving.delete(container.id));
    request.resume();
    await this.clock.sleep(Number(request.headers[TAKES_HEADER.toLowerCase()]));
    switch (request.headers[BEHAVIOUR_HEADER.toLowerCase()] as Behaviour) {
      case 'answer':
        return response.end('done');
      case 'fail':
        return response.writeHead(502).end();
      case 'nonsense':
        return response.writeHead(418).end();
      case 'exit':
        return container.exit({ exitCode: 1 });
      case 'hang':
        return;
    }
  });

  private async settle(): Promise<void> {
    for (let turn = 0; turn < 6; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
}
