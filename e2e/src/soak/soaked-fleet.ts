import { MIB } from '@fnfleet/core';
import { until } from '@fnfleet/testing';
import type { FnSpec } from 'fnfleet';
import { Fleet } from '../harness/fleet.js';
import { Caller, type CallResult } from './caller.js';
import { type Check, check } from './checks.js';
import { type FunctionKind, MAX_REQUEST_BYTES, MAX_RESPONSE_BYTES } from './kinds.js';
import type { PlannedCall, PlannedFunction, Round } from './plan.js';
import { busyGauges, counter, descriptors, type SoakedNode, type Vitals, vitalsOf } from './vitals.js';

/** Room for so many containers, fewer than there are functions. */
const CONTAINERS = 12;
const CONTAINER_MB = 64;
/** For containers to go by themselves and connections to close, on a machine that is busy. */
const IDLE_WITHIN_MS = 120_000;
/** Looks in a row that find nothing changed. */
const STEADY_LOOKS = 100;
const NODES = ['lb', 'runner1', 'api'] as const;

const SETTINGS = {
  FN_MAX_TOTAL_MEMORY_BYTES: `${CONTAINERS * CONTAINER_MB * MIB}`,
  // Calls wait for room, so every one of them has one right answer.
  FN_ENABLE_NB_RESOURCE_TRACKER: '0',
  FN_HOT_START_TIMEOUT_MSECS: '120000',
  FN_MAX_REQUEST_SIZE: `${MAX_REQUEST_BYTES}`,
  FN_MAX_RESPONSE_SIZE: `${MAX_RESPONSE_BYTES}`,
  // Connections that wait for another request are gone before a node is looked at.
  FN_HTTP_IDLE_TIMEOUT: '1s',
  NODE_OPTIONS: '--inspect=127.0.0.1:0',
} as const;

/** What is particular about functions of a kind. */
const SPECS: Readonly<Record<FunctionKind, Partial<FnSpec>>> = {
  ordinary: { timeout: 120 },
  hog: { timeout: 120 },
  slow: { timeout: 1 },
  broken: { config: { PROBE_INIT_EXIT: '3' } },
  unknown: {},
};

/** An api node, a balancer and one runner as processes, with functions and their clients. */
export class SoakedFleet {
  private readonly urls = new Map<string, string>();
  private readonly nodes: readonly SoakedNode[];
  private readonly runner: SoakedNode;
  private readonly filesAtRest: readonly string[];
  private readonly caller = new Caller(
    ({ fn }: PlannedCall) => this.urls.get(fn.name) ?? `${this.fleet.lbUrl}/invoke/${fn.name}`,
  );

  private constructor(private readonly fleet: Fleet) {
    this.nodes = NODES.map((name) => nodeOf(fleet, name));
    this.runner = nodeOf(fleet, 'runner1');
    this.filesAtRest = fleet.footprint.files();
  }

  static async start(): Promise<SoakedFleet> {
    const fleet = await Fleet.start({ settings: SETTINGS });
    try {
      return new SoakedFleet(fleet);
    } catch (error) {
      await fleet.stop();
      throw error;
    }
  }

  async deploy(functions: readonly PlannedFunction[], idleTimeoutSeconds: number): Promise<void> {
    const limits = { memory: CONTAINER_MB, idle_timeout: idleTimeoutSeconds };
    for (const { name, kind } of functions) {
      this.urls.set(name, await this.fleet.deployed({ name, ...limits, ...SPECS[kind] }));
    }
  }

  /**
   * First all lanes at the same time, each call after call; then the storm. Resolves when all have ended; no call is begun
   * after the signal.
   */
  async play({ lanes, storm }: Round, ended: (result: CallResult) => void, signal: AbortSignal): Promise<void> {
    const make = async (call: PlannedCall) => {
      if (!signal.aborted) ended(await this.caller.call(call));
    };
    await Promise.all(
      lanes.map(async (lane) => {
        for (const call of lane) await make(call);
      }),
    );
    await Promise.all(storm.map(make));
  }

  /** Waits until nothing goes on any more and containers have gone by themselves, then looks at every node. */
  async idleVitals(): Promise<Vitals[]> {
    await this.caller.hangUp();
    // A fleet that does not get there is looked at all the same: `checks` then says what is left.
    await this.untilIdle().catch(() => undefined);
    await this.untilSteady();
    const vitals: Vitals[] = [];
    for (const node of this.nodes) vitals.push(await vitalsOf(node));
    return vitals;
  }

  containersStarted(): Promise<number> {
    return counter(this.runner, 'container_start_duration_seconds_count');
  }

  evictions(): Promise<number> {
    return counter(this.runner, 'container_evictions_total');
  }

  descriptors(): string {
    return this.nodes.map((node) => `${node.name} ${descriptors(node)} fds`).join(', ');
  }

  /** What must hold while the nodes still run. */
  async checks(): Promise<Check[]> {
    const containers = await this.fleet.footprint.containers();
    const files = this.fleet.footprint.files().filter((file) => !this.filesAtRest.includes(file));
    const gauges: Check[] = [];
    for (const node of this.nodes) {
      const busy = await busyGauges(node);
      const idle = Object.keys(busy).length === 0;
      gauges.push(
        check(`${node.name}: gauges of calls, containers, memory, CPU`, idle ? 'all 0' : busy, 'all 0', idle),
      );
    }
    return [
      check('containers', containers.length, '0', containers.length === 0),
      check('socket directories and temporary files', files.length, '0', files.length === 0),
      ...gauges,
    ];
  }

  /** Drains the nodes. Resolves with what must hold when they are gone. */
  async stop(): Promise<Check[]> {
    await this.caller.hangUp();
    const left = await this.fleet.stop();
    const stray = this.fleet.log.match(/uncaught error|unhandled rejection/g)?.length ?? 0;
    return [
      check('after the drain', left.join('; ') || 'nothing', 'nothing', left.length === 0),
      check('uncaught errors in the logs', stray, '0', stray === 0),
    ];
  }

  private async untilIdle(): Promise<void> {
    await until({
      what: 'the fleet is idle',
      withinMs: IDLE_WITHIN_MS,
      look: async () => {
        const gauges = await Promise.all(this.nodes.map(busyGauges));
        const busy = gauges.some((values) => Object.keys(values).length > 0);
        return busy || (await this.fleet.footprint.containers()).length > 0 ? undefined : true;
      },
    });
  }

  /** Connections close a moment after their last use: until as few are open as ever will be. */
  private async untilSteady(): Promise<void> {
    let fewest = Number.POSITIVE_INFINITY;
    let steady = 0;
    await until({
      what: 'connections close',
      withinMs: IDLE_WITHIN_MS,
      look: () => {
        const open = this.nodes.reduce((sum, node) => sum + descriptors(node), 0);
        steady = open < fewest ? 0 : steady + 1;
        fewest = Math.min(fewest, open);
        return steady >= STEADY_LOOKS ? true : undefined;
      },
    });
  }
}

function nodeOf(fleet: Fleet, name: (typeof NODES)[number]): SoakedNode {
  const [, inspectorUrl] = fleet.log.match(new RegExp(`^${name} +Debugger listening on (ws:\\S+)`, 'm')) ?? [];
  if (inspectorUrl === undefined) throw new Error(`${name} does not say where its inspector is:\n${fleet.log}`);
  return { name, pid: fleet.pid(name), url: fleet.url(name), inspectorUrl };
}
