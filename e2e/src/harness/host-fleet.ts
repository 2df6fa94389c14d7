import { mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { until } from '@fnfleet/testing';
import { ApiClient, deployFunction, type FnSpec, invokeUrl } from 'fnfleet';
import { FnfleetCommand } from './command.js';
import { PATIENCE } from './fleet.js';
import { Footprint } from './footprint.js';
import { NetBed, type NetHost } from './net-bed.js';
import { PROBE_IMAGE } from './paths.js';
import { fetch } from './requests.js';

const HTTP_PORT = '8080';
const GRPC_PORT = '9190';

interface HostFleetOptions {
  readonly runners: number;
  /** Of every node. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Where the balancer finds runners; by default it knows their addresses. */
  readonly pool?: (bed: NetBed, runners: readonly NetHost[]) => string | Promise<string>;
}

/**
 * An api, a balancer and some runners, each on a host of its own in a network whose cables can be cut. The engine is the
 * machine's: runners speak to it over its socket, which is no matter of networks.
 */
export class HostFleet {
  readonly footprint = new Footprint();
  readonly runners: NetHost[] = [];
  /** The host of the balancer. */
  balancer: NetHost | undefined;
  private readonly nodes: FnfleetCommand[] = [];
  private apiUrl = '';

  private constructor(
    private readonly bed: NetBed,
    private readonly options: HostFleetOptions,
  ) {}

  static async start(options: HostFleetOptions): Promise<HostFleet> {
    const fleet = new HostFleet(await NetBed.create(), options);
    try {
      await fleet.startNodes();
      return fleet;
    } catch (error) {
      const said = fleet.said;
      await fleet.stop();
      throw new Error(`the fleet did not start:\n${said}`, { cause: error });
    }
  }

  lbUrl = '';

  /** What the nodes logged so far. */
  get said(): string {
    return this.nodes.map(({ output }) => output).join('\n');
  }

  runner(at: number): NetHost {
    const runner = this.runners[at];
    if (runner === undefined) throw new Error(`no runner ${at}`);
    return runner;
  }

  /** A probe. Resolves with the URL that calls it. */
  async deployed(spec: Partial<FnSpec> & { readonly name: string }): Promise<string> {
    return invokeUrl(await deployFunction(new ApiClient(this.apiUrl), 'e2e', { image: PROBE_IMAGE, ...spec }));
  }

  /** Resolves when the balancer knows exactly these runners. */
  async knows(runners: readonly NetHost[]): Promise<void> {
    const wanted = runners.map(({ address }) => `${address}:${GRPC_PORT}`).sort();
    await until({
      what: `runners ${wanted}`,
      look: async () => {
        const known = (await this.seenRunners()).map(({ address }) => address).sort();
        return known.join() === wanted.join() || undefined;
      },
    });
  }

  /** Resolves when the balancer sees the runner in a state. */
  async sees(runner: NetHost, state: string): Promise<void> {
    await until({
      what: `${runner.name} is ${state}`,
      look: async () => {
        const runners = await this.seenRunners();
        return (
          runners.some((seen) => seen.address.startsWith(`${runner.address}:`) && seen.state === state) || undefined
        );
      },
    });
  }

  /** Calls that a runner has in hand, as it says itself. */
  async inHand(runner: NetHost): Promise<number> {
    const answer = await fetch(`http://${runner.address}:${HTTP_PORT}/runner`);
    return ((await answer.json()) as { in_hand: number }).in_hand;
  }

  /** How often a function has begun to run each marked call, whatever became of it. */
  begun(): ReadonlyMap<string, number> {
    const names = readdirSync(this.iofs, { recursive: true, encoding: 'utf8' });
    const marks = names.map((name) => path.basename(name)).filter((name) => name.startsWith('mark-'));
    return new Map([...Map.groupBy(marks, (mark) => mark.slice('mark-'.length))].map(([id, all]) => [id, all.length]));
  }

  /** Drains the nodes and takes the network away. Resolves with what is left although nothing should be. */
  async stop(): Promise<string[]> {
    for (const host of [...this.runners, ...(this.balancer ? [this.balancer] : [])]) await host.heal();
    for (const node of this.nodes) node.signal('SIGTERM');
    await Promise.all(this.nodes.map((node) => node.stop()));
    const left = await this.footprint.leftovers();
    await this.bed.remove();
    this.footprint.remove();
    return left;
  }

  private async startNodes(): Promise<void> {
    const { runners, pool } = this.options;
    mkdirSync(this.iofs);
    const api = await this.bed.host('api');
    const lb = await this.bed.host('lb');
    this.balancer = lb;
    for (let i = 1; i <= runners; i += 1) this.runners.push(await this.bed.host(`runner${i}`));
    this.apiUrl = `http://${api.address}:${HTTP_PORT}`;
    this.lbUrl = `http://${lb.address}:${HTTP_PORT}`;
    await this.startNode(api, {
      FN_NODE_TYPE: 'api',
      FN_DB_URL: `sqlite3://${this.footprint.dataDir}/fn.db`,
      FN_PUBLIC_LB_URL: this.lbUrl,
    });
    await Promise.all(
      this.runners.map((host) =>
        this.startNode(host, {
          FN_NODE_TYPE: 'pure-runner',
          FN_GRPC_PORT: GRPC_PORT,
          FN_IOFS_PATH: this.iofs,
          // Calls leave marks there: more than a tmpfs takes.
          FN_IOFS_TMPFS: '0',
        }),
      ),
    );
    const addresses = this.runners.map(({ address }) => `${address}:${GRPC_PORT}`).join(',');
    await this.startNode(lb, {
      FN_NODE_TYPE: 'lb',
      FN_RUNNER_API_URL: this.apiUrl,
      ...(pool ? { FN_RUNNER_POOL: await pool(this.bed, this.runners) } : { FN_RUNNER_ADDRESSES: addresses }),
    });
  }

  private async seenRunners(): Promise<{ address: string; state: string }[]> {
    const answer = await fetch(`${this.lbUrl}/fleet`);
    return ((await answer.json()) as { runners: { address: string; state: string }[] }).runners;
  }

  private async startNode(host: NetHost, env: Readonly<Record<string, string>>): Promise<void> {
    const common = { FN_BIND_ADDRESS: host.address, FN_PORT: HTTP_PORT, FN_ALLOW_INSECURE: '1' };
    const node = new FnfleetCommand(['node'], {
      within: host.within,
      env: { ...this.footprint.env, ...PATIENCE, ...common, ...this.options.settings, ...env },
    });
    this.nodes.push(node);
    await node.ready();
  }

  private get iofs(): string {
    return path.join(this.footprint.dataDir, 'iofs');
  }
}
