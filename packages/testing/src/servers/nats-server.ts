import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../waiting.js';
import { freePorts } from './free-ports.js';
import { TestProgram, testTool } from './test-program.js';

export interface NatsOptions {
  /** Whether it has JetStream; true by default. */
  readonly jetstream?: boolean;
  /** When JetStream syncs, such as `always` or `30s`: this is a server of version 2.10 or newer. Otherwise it is an older one, and syncs every 2 minutes. */
  readonly syncInterval?: string;
  /** Additional lines of its configuration. */
  readonly config?: string;
  /** For clients; the next one is for monitoring. Two free ones by default. */
  readonly port?: number;
  /** Members of a cluster: their routes, and the own one. */
  readonly cluster?: { readonly port: number; readonly routes: readonly number[] };
}

/** What `/jsz` tells about the cluster; only its leader lists the others. */
interface MetaCluster {
  readonly replicas?: readonly { readonly current: boolean; readonly offline?: boolean }[];
}

const GREETING_MS = 2_000;

/** A real NATS server on loopback, with its data in a folder that survives restarts. */
export class NatsServer {
  private program: TestProgram | undefined;

  private constructor(
    private readonly binary: string,
    private readonly folder: string,
    readonly port: number,
    private readonly options: NatsOptions,
  ) {}

  static async start(options: NatsOptions = {}): Promise<NatsServer> {
    const folder = mkdtempSync(join(tmpdir(), 'fnnats'));
    const port = options.port ?? (await freePorts(2));
    const binary = await testTool(options.syncInterval === undefined ? 'nats-server' : 'nats-server-2.10');
    const server = new NatsServer(binary, folder, port, options);
    try {
      await server.restart();
      return server;
    } catch (error) {
      await server.close();
      throw error;
    }
  }

  /** Three servers that form a cluster, after they have elected its leader: without one, requests are not answered until they time out. */
  static async cluster(options: Pick<NatsOptions, 'syncInterval'> = {}): Promise<NatsServer[]> {
    const first = await freePorts(9);
    const routes = [first, first + 1, first + 2];
    const servers: NatsServer[] = [];
    try {
      // One after the other: servers that connect to one another at the same moment may not come together.
      for (const [at, port] of routes.entries()) {
        servers.push(await NatsServer.start({ ...options, port: first + 3 + 2 * at, cluster: { port, routes } }));
      }
      await eventually(async () => {
        const known = await Promise.all(servers.map((server) => server.followers()));
        if (Math.max(...known) < servers.length - 1) throw new Error('no leader of the cluster knows all servers');
      });
      return servers;
    } catch (error) {
      await Promise.all(servers.map((server) => server.close()));
      throw error;
    }
  }

  private get monitorPort(): number {
    return this.port + 1;
  }

  /** `host:port` */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Value of `monitor=` in FN_MQ_URL. */
  get monitor(): string {
    return `http://127.0.0.1:${this.monitorPort}`;
  }

  /** Value of FN_MQ_URL. */
  url(name = '', { login = '', query = '' } = {}): string {
    return `nats://${login}${this.address}/${name}${query}`;
  }

  get pid(): number | undefined {
    return this.program?.pid;
  }

  /** What it has logged since its last start. */
  get log(): string {
    return this.program?.log ?? '';
  }

  async restart(): Promise<void> {
    await this.kill();
    const file = join(this.folder, 'nats.conf');
    writeFileSync(file, this.configuration());
    const ready = () => eventually(() => this.mustListen());
    this.program = await TestProgram.start(this.binary, ['-c', file], ready);
  }

  freeze(): void {
    this.program?.freeze();
  }

  thaw(): void {
    this.program?.thaw();
  }

  async kill(): Promise<void> {
    await this.program?.kill();
    this.program = undefined;
  }

  async close(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private configuration(): string {
    const { jetstream = true, syncInterval, config = '', cluster } = this.options;
    const syncs = syncInterval === undefined ? '' : `, sync_interval: ${syncInterval}`;
    const routes = cluster?.routes.map((port) => `nats://127.0.0.1:${port}`) ?? [];
    return [
      `server_name: "nats-${this.port}"`,
      `listen: "${this.address}"`,
      `http: "127.0.0.1:${this.monitorPort}"`,
      jetstream ? `jetstream { store_dir: ${JSON.stringify(this.folder)}${syncs} }` : '',
      cluster === undefined
        ? ''
        : `cluster { name: three, listen: "127.0.0.1:${cluster.port}", routes: ${JSON.stringify(routes)} }`,
      config,
    ].join('\n');
  }

  /** How many servers follow it and are up to date; 0 unless it leads the cluster. */
  private async followers(): Promise<number> {
    const response = await fetch(`${this.monitor}/jsz`, { signal: AbortSignal.timeout(GREETING_MS) });
    const { meta_cluster: meta } = (await response.json()) as { meta_cluster?: MetaCluster };
    return meta?.replicas?.filter(({ current, offline }) => current && !offline).length ?? 0;
  }

  private async mustListen(): Promise<void> {
    const socket = connect(this.port, '127.0.0.1');
    try {
      // It may accept a connection before it serves, and close it.
      await once(socket, 'data', { signal: AbortSignal.timeout(GREETING_MS) });
    } finally {
      socket.destroy();
    }
  }
}
