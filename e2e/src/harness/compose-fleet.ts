import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { testTool, until } from '@fnfleet/testing';
import Docker from 'dockerode';
import { ROOT } from './paths.js';
import { run } from './run.js';

const COMPOSE = path.join(ROOT, 'deploy/compose');
const PROJECT = 'com.docker.compose.project';
const SERVICE = 'com.docker.compose.service';
/** For containers that start on a busy machine. */
const READY_MS = 90_000;

/** The fleet of deploy/compose on this machine's engine, without Grafana, whose image no machine has to have. */
export class ComposeFleet {
  readonly project = `e2e-compose-${process.pid}`;
  private readonly folder = mkdtempSync(path.join(tmpdir(), 'e2e-compose-'));
  private readonly docker = new Docker();
  /** What the script printed that made the certificates. */
  certsSaid = '';

  private constructor(private readonly program: string) {}

  /** Resolves when every container runs and is healthy. */
  static async up(services: readonly string[]): Promise<ComposeFleet> {
    const fleet = new ComposeFleet(await testTool('docker-compose'));
    try {
      fleet.certsSaid = (await run(path.join(COMPOSE, 'certs.sh'), [], { env: fleet.env })).stdout;
      await fleet.compose('up', '-d', ...services);
      await fleet.healthy();
      return fleet;
    } catch (error) {
      const said = await fleet.compose('logs', '--no-color', '--tail=20').catch(String);
      await fleet.down();
      throw new Error(`the fleet did not come up\n${said}`, { cause: error });
    }
  }

  /** For commands that speak to the fleet. */
  get operatorEnv(): Readonly<Record<string, string>> {
    return {
      FN_TLS_CA: path.join(this.folder, 'certs/ca.crt'),
      FN_OPERATOR_TOKEN_FILE: path.join(this.folder, 'certs/operator.token'),
    };
  }

  /** `host:port`, where a service is reached from this machine. */
  async address(service: string, port: number): Promise<string> {
    return (await this.compose('port', service, String(port))).trim().replace('0.0.0.0', '127.0.0.1');
  }

  containers(service?: string): Promise<Docker.ContainerInfo[]> {
    const label = [`${PROJECT}=${this.project}`, ...(service ? [`${SERVICE}=${service}`] : [])];
    return this.docker.listContainers({ all: true, filters: { label } });
  }

  /** Runs something in the container of a service. */
  exec(service: string, ...command: string[]): Promise<string> {
    return this.compose('exec', '-T', service, ...command);
  }

  /** Takes everything down. Tells in words what is left then; empty when all is well. */
  async down(): Promise<string[]> {
    const ofFunctions = async () => {
      const all = await this.docker.listContainers({ all: true });
      return all.filter(({ Mounts }) => Mounts.some(({ Source }) => Source.includes(`/${this.project}_runner-iofs/`)));
    };
    await this.compose('down', '--volumes', '--timeout', '20').catch(() => undefined);
    const left = [...(await this.containers()), ...(await ofFunctions())].map(({ Names, Id }) => Names[0] ?? Id);
    const label = [`${PROJECT}=${this.project}`];
    const { Volumes } = await this.docker.listVolumes({ filters: { label } });
    const networks = await this.docker.listNetworks({ filters: { label } });
    rmSync(this.folder, { recursive: true, force: true });
    return [...left, ...(Volumes ?? []).map(({ Name }) => Name), ...networks.map(({ Name }) => Name)];
  }

  async compose(...args: string[]): Promise<string> {
    const files = ['-p', this.project, '-f', path.join(COMPOSE, 'compose.yml')];
    const { stdout } = await run(this.program, [...files, ...args], { env: this.env });
    return stdout;
  }

  private get env(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      PATH: `${path.dirname(process.execPath)}:${process.env.PATH}`,
      FNFLEET_CERTS: path.join(this.folder, 'certs'),
      FNFLEET_PROMETHEUS_IMAGE: 'fnfleet/prometheus:latest',
      FNFLEET_PUBLIC_ADDRESS: '127.0.0.1',
      FNFLEET_API_PORT: '0',
      FNFLEET_LB_PORT: '0',
      FNFLEET_PROMETHEUS_PORT: '0',
    };
  }

  /** Those that say how they are, do. */
  private async healthy(): Promise<void> {
    await until({
      what: `healthy containers of ${this.project}`,
      withinMs: READY_MS,
      look: async () => {
        const states = (await this.containers()).map(({ Status }) => Status);
        const gone = states.find((status) => /Exited|Restarting/.test(status));
        if (gone !== undefined) throw new Error(`a container is ${gone}`);
        return states.every((status) => status.startsWith('Up') && !/starting|unhealthy/.test(status)) || undefined;
      },
    });
  }
}
