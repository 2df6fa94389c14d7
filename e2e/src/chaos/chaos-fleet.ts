import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { MIB } from '@fnfleet/core';
import { freePorts } from '@fnfleet/testing';
import { ApiClient, deployFunction } from 'fnfleet';
import { FnfleetCommand } from '../harness/command.js';
import { PATIENCE } from '../harness/fleet.js';
import { Footprint } from '../harness/footprint.js';
import { PROBE_IMAGE } from '../harness/paths.js';
import { type ChaosOptions, HASTY_TIMEOUT_S, type TargetFunction } from './plan.js';
import type { ChaosStore, Victim } from './stores.js';

/** More than the balancer runs at a time: it takes none beyond 80 %. */
const ROOM = 1.5;
const CONTAINER_MB = 64;
/** A runner removes its containers first, which takes long on a machine that is busy with other tests. */
const STOP_MS = 120_000;

/** That of this process: commands that tests start have the default one otherwise. */
function engine(): Readonly<Record<string, string>> {
  const { DOCKER_HOST } = process.env;
  return DOCKER_HOST === undefined ? {} : { DOCKER_HOST };
}

/** One node of the fleet: a process of `bin/fnfleet` that is killed and started again with the same settings. */
class NodeVictim implements Victim {
  readonly canBeSuspended: boolean;
  private readonly outputs: string[] = [];
  private process: FnfleetCommand | undefined;

  constructor(
    readonly name: string,
    private readonly env: Readonly<Record<string, string>>,
  ) {
    this.canBeSuspended = name === 'balancer';
  }

  async start(): Promise<void> {
    this.process = new FnfleetCommand(['node'], { env: this.env });
    await this.process.ready();
  }

  async kill(): Promise<void> {
    const { process } = this;
    if (process === undefined) return;
    this.process = undefined;
    process.signal('SIGKILL');
    await process.ended;
    this.outputs.push(process.output);
  }

  suspend(): void {
    this.process?.signal('SIGSTOP');
  }

  resume(): void {
    this.process?.signal('SIGCONT');
  }

  async stop(): Promise<void> {
    await this.process?.stop(STOP_MS);
  }

  /** What all its processes have written. */
  get log(): string {
    return [...this.outputs, this.process?.output ?? ''].join('');
  }
}

/** An API node, a balancer and a runner with real containers, and what their queue needs, each a process that can be killed. */
export class ChaosFleet {
  private constructor(
    readonly footprint: Footprint,
    private readonly store: ChaosStore,
    private readonly nodes: readonly NodeVictim[],
    readonly apiUrl: string,
    readonly lbUrl: string,
    readonly fnIds: Readonly<Record<TargetFunction, string>>,
  ) {}

  static async start(
    open: (folder: string) => Promise<ChaosStore>,
    { leaseMs, consumers }: ChaosOptions,
    logLevel: string,
  ): Promise<ChaosFleet> {
    const footprint = new Footprint();
    const iofs = path.join(footprint.dataDir, 'iofs');
    mkdirSync(iofs);
    const port = await freePorts(4);
    const store = await open(footprint.dataDir);
    const [apiUrl, lbUrl] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${port + 1}`];
    const shared = { ...footprint.env, ...engine(), ...PATIENCE, FN_BIND_ADDRESS: '127.0.0.1', FN_LOG_LEVEL: logLevel };
    const nodes = [
      new NodeVictim('API node', {
        ...shared,
        FN_NODE_TYPE: 'api',
        FN_PORT: `${port}`,
        FN_DB_URL: `sqlite3://${footprint.dataDir}/fn.db`,
        ...store.settings,
      }),
      new NodeVictim('runner', {
        ...shared,
        FN_NODE_TYPE: 'pure-runner',
        FN_PORT: `${port + 2}`,
        FN_GRPC_PORT: `${port + 3}`,
        FN_IOFS_PATH: iofs,
        FN_MAX_TOTAL_MEMORY_BYTES: `${ROOM * consumers * CONTAINER_MB * MIB}`,
      }),
      new NodeVictim('balancer', {
        ...shared,
        FN_NODE_TYPE: 'lb',
        FN_PORT: `${port + 1}`,
        FN_RUNNER_API_URL: apiUrl,
        FN_RUNNER_ADDRESSES: `127.0.0.1:${port + 3}`,
        FN_ASYNC_LEASE_MSECS: `${leaseMs}`,
        FN_ASYNC_CONSUMERS: `${consumers}`,
      }),
    ];
    try {
      await Promise.all(nodes.map((node) => node.start()));
      const api = new ApiClient(apiUrl);
      const deploy = async (name: TargetFunction, timeout: number) =>
        (await deployFunction(api, 'chaos', { name, image: PROBE_IMAGE, memory: CONTAINER_MB, timeout })).id;
      const fnIds = { patient: await deploy('patient', 120), hasty: await deploy('hasty', HASTY_TIMEOUT_S) };
      return new ChaosFleet(footprint, store, nodes, apiUrl, lbUrl, fnIds);
    } catch (error) {
      await Promise.all(nodes.map((node) => node.kill()));
      await store.close();
      footprint.remove();
      throw error;
    }
  }

  get victims(): readonly Victim[] {
    return [...this.nodes, ...this.store.victims];
  }

  /** Lines of the logs that name a call. */
  linesAbout(text: string, limit: number): string[] {
    const lines = this.nodes.flatMap(({ name, log }) => log.split('\n').map((line) => `${name}: ${line}`));
    return lines.filter((line) => line.includes(text)).slice(-limit);
  }

  /** Writes what the nodes have logged into a folder, a file for each. */
  saveLogs(folder: string): void {
    mkdirSync(folder, { recursive: true });
    for (const { name, log } of this.nodes) writeFileSync(path.join(folder, `${name.replace(' ', '-')}.log`), log);
  }

  /** Drains the nodes. Resolves with what is left on the machine although nothing should be. */
  async stop(): Promise<string[]> {
    const [api, runner, balancer] = this.nodes;
    for (const node of [balancer, runner, api]) await node?.stop();
    await this.store.close();
    const left = await this.footprint.leftovers();
    this.footprint.remove();
    return left;
  }
}
