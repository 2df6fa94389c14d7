import { callWitness, dismissWitness, freePorts, type Witness } from '@fnfleet/testing';
import { ApiClient, deployFunction, type FleetAccess, type FnRef, type FnSpec, invokeUrl, LocalFleet } from 'fnfleet';
import { Footprint } from './footprint.js';
import { PROBE_IMAGE } from './paths.js';
import { request } from './requests.js';

const APP = 'e2e';
/** A machine that is busy with other tests starts containers slowly; that is not what is tested. */
export const PATIENCE = { FN_HOT_START_TIMEOUT_MSECS: '30000' } as const;

interface FleetOptions {
  readonly runners?: number;
  /** Whether the runners listen on unix sockets, as without `--grpc-port`. Otherwise on TCP ports. */
  readonly sockets?: boolean;
  /** Of every node. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Of one node: `api`, `lb`, `runner1` … */
  readonly settingsOf?: (node: string) => Readonly<Record<string, string>>;
  /** With TLS: how the test is let in. */
  readonly access?: FleetAccess;
}

/** A local fleet on ports of its own, with what tests need of it. */
export class Fleet implements Witness {
  readonly name = 'the fleet';

  private constructor(
    private readonly fleet: LocalFleet,
    readonly footprint: Footprint,
    private readonly lines: readonly string[],
    private readonly access: FleetAccess | undefined,
  ) {
    callWitness(this);
  }

  static async start({ runners = 1, sockets, settings = {}, settingsOf, access }: FleetOptions = {}): Promise<Fleet> {
    const footprint = new Footprint();
    const port = await freePorts(2 + 2 * runners);
    const log: string[] = [];
    const local = new LocalFleet({
      runners,
      port,
      grpcPort: sockets ? undefined : port + 2 + runners,
      dataDir: footprint.dataDir,
      settings: { ...footprint.env, ...PATIENCE, ...settings },
      settingsOf,
      secure: access !== undefined,
      print: (line) => log.push(line),
    });
    const fleet = new Fleet(local, footprint, log, access);
    try {
      await local.start();
    } catch (error) {
      await fleet.stop();
      throw new Error(`the fleet did not start:\n${log.join('\n')}`, { cause: error });
    }
    return fleet;
  }

  get lbUrl(): string {
    return this.fleet.plan.lbUrl;
  }

  get apiUrl(): string {
    return this.fleet.plan.apiUrl;
  }

  /** Where each runner serves gRPC: `host:port` or `unix:/path`. */
  get runnerAddresses(): readonly string[] {
    return this.fleet.plan.runnerAddresses;
  }

  /** Where a node serves HTTP: `api`, `lb`, `runner1` … */
  url(name: string): string {
    const { api, lb, runners } = this.fleet.plan;
    const node = [api, lb, ...runners].find((planned) => planned.name === name);
    if (node === undefined) throw new Error(`no node ${name}`);
    return `http://${node.env.FN_BIND_ADDRESS}:${node.env.FN_PORT}`;
  }

  /** The process of a node: `api`, `lb`, `runner1` … */
  pid(name: string): number {
    const pid = this.fleet.processes.find((node) => node.name === name)?.pid;
    if (pid === undefined) throw new Error(`no process of ${name}`);
    return pid;
  }

  /** A function in the app `e2e`; a probe unless the spec has another image. */
  deploy(spec: Partial<FnSpec> & { readonly name: string }): Promise<FnRef> {
    return deployFunction(new ApiClient(this.apiUrl, this.access?.fetch), APP, { image: PROBE_IMAGE, ...spec });
  }

  /** The same, for tests that only want to call it: resolves with its URL. */
  async deployed(spec: Partial<FnSpec> & { readonly name: string }): Promise<string> {
    return invokeUrl(await this.deploy(spec));
  }

  /** A metric of the balancer, summed over its labels. */
  metric(name: string): Promise<number> {
    return metricAt(this.lbUrl, name);
  }

  /** A metric of one node, summed over its labels: `api`, `lb`, `runner1` … */
  metricOf(node: string, name: string): Promise<number> {
    return metricAt(this.url(node), name);
  }

  /** A metric of the runners, summed over them and its labels. */
  async runnerMetric(name: string): Promise<number> {
    const urls = this.fleet.plan.runners.map(({ env }) => `http://127.0.0.1:${env.FN_PORT}`);
    const values = await Promise.all(urls.map((url) => metricAt(url, name)));
    return values.reduce((sum, value) => sum + value, 0);
  }

  /** Drains a node and starts it again, as a rolling update does. */
  restart(name: string): Promise<void> {
    return this.fleet.restart(name);
  }

  /** Ends a node as a crash would. */
  kill(name: string): Promise<void> {
    return this.fleet.kill(name);
  }

  /** Starts a node again that was killed. */
  revive(name: string): Promise<void> {
    return this.fleet.revive(name);
  }

  /** What the nodes logged so far. */
  get log(): string {
    return this.lines.join('\n');
  }

  /** Drains the nodes. Resolves with what is left on the machine although nothing should be. */
  async stop(): Promise<string[]> {
    await this.fleet.close();
    dismissWitness(this);
    const left = await this.footprint.leftovers();
    this.footprint.remove();
    return left;
  }
}

async function metricAt(url: string, name: string): Promise<number> {
  const { body } = await request(`${url}/metrics`);
  const lines = (await body.text()).split('\n').filter((line) => line.match(`^${name}(_total)?[ {]`));
  return lines.reduce(
    (sum, line) =>
      sum +
      Number(
        line
          .slice(line.lastIndexOf('}') + 1)
          .trim()
          .split(' ')
          .at(-1),
      ),
    0,
  );
}
