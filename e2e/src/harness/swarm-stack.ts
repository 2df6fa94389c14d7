import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { until } from '@fnfleet/testing';
import Docker from 'dockerode';
import { fnfleet } from './command.js';
import { ROOT } from './paths.js';
import { run } from './run.js';

const SWARM = path.join(ROOT, 'deploy/swarm');
const STACK_FILES = ['stack.yml', 'stack.one-host.yml'].flatMap((file) => ['-c', path.join(SWARM, file)]);
const SERVICE = 'com.docker.swarm.service.name';
const STACK = 'com.docker.stack.namespace';
/** Tasks are pulled, started, and watched for some health checks; on a busy machine that takes a while. */
const CONVERGE_MS = 150_000;

/**
 * The stack of deploy/swarm on this machine's engine, as a Swarm of one host. The kernel may have no IPVS, so that services
 * have no virtual addresses here: names lead to tasks, and ports are those of tasks.
 */
export class SwarmStack {
  readonly name = `e2e-${process.pid}`;
  private readonly folder = mkdtempSync(path.join(tmpdir(), 'e2e-swarm-'));
  private readonly docker = new Docker();
  private swarmIsOurs = false;

  private constructor(private readonly settings: Readonly<Record<string, string>>) {}

  /** Resolves when every task runs and is healthy. */
  static async deploy(settings: Readonly<Record<string, string>> = {}): Promise<SwarmStack> {
    const stack = new SwarmStack(settings);
    try {
      await stack.joinSwarm();
      await stack.makeCertificates();
      await run('docker', ['stack', 'deploy', ...STACK_FILES, '--resolve-image', 'never', '--detach', stack.name], {
        env: stack.env,
      });
      await stack.converged();
      return stack;
    } catch (error) {
      const said = await stack.said();
      await stack.remove();
      throw new Error(`the stack did not come up\n${said}`, { cause: error });
    }
  }

  get certificates(): string {
    return path.join(this.folder, 'certs');
  }

  /** For commands that speak to the fleet. */
  get operatorEnv(): Readonly<Record<string, string>> {
    return {
      FN_TLS_CA: path.join(this.certificates, 'ca.crt'),
      FN_OPERATOR_TOKEN_FILE: path.join(this.certificates, 'operator.token'),
    };
  }

  /** Where the tasks of a service are reached from this machine. */
  async urls(service: string, port: number): Promise<string[]> {
    const tasks = await this.tasks(service);
    return tasks.flatMap(({ Ports }) =>
      Ports.filter(({ PrivatePort, IP }) => PrivatePort === port && IP === '0.0.0.0').map(
        ({ PublicPort }) => `https://127.0.0.1:${PublicPort}`,
      ),
    );
  }

  /** Its running containers. */
  tasks(service: string): Promise<Docker.ContainerInfo[]> {
    return this.docker.listContainers({ filters: { label: [`${SERVICE}=${this.name}_${service}`] } });
  }

  async scale(service: string, replicas: number): Promise<void> {
    await run('docker', ['service', 'scale', '--detach', `${this.name}_${service}=${replicas}`]);
    await this.converged();
  }

  /** Replaces every task, one after another. */
  async roll(service: string): Promise<void> {
    const before = new Set((await this.tasks(service)).map(({ Id }) => Id));
    await run('docker', [
      'service',
      'update',
      '--force',
      '--detach',
      '--update-delay',
      '1s',
      `${this.name}_${service}`,
    ]);
    await until({
      what: `new tasks of ${service}`,
      withinMs: CONVERGE_MS,
      look: async () => ((await this.tasks(service)).some(({ Id }) => before.has(Id)) ? undefined : true),
    });
    await this.converged();
  }

  /** Every task that is wanted runs, and its health check says so. */
  async converged(): Promise<void> {
    await until({
      what: `all tasks of ${this.name}`,
      withinMs: CONVERGE_MS,
      look: async () => ((await this.replicas()).every(([running, wanted]) => running === wanted) ? true : undefined),
    });
  }

  /** Takes everything down. Tells in words what is left then; empty when all is well. */
  async remove(): Promise<string[]> {
    await run('docker', ['stack', 'rm', this.name]).catch(() => undefined);
    await until({
      what: `the end of ${this.name}`,
      withinMs: CONVERGE_MS,
      look: async () => ((await this.containers()).length === 0 && (await this.networks()).length === 0) || undefined,
    }).catch(() => undefined);
    // A stack leaves its volumes: they may hold what somebody needs. Here nobody does.
    for (const volume of await this.volumes())
      await this.docker
        .getVolume(volume)
        .remove()
        .catch(() => undefined);
    const left = await this.leftovers();
    if (this.swarmIsOurs) await run('docker', ['swarm', 'leave', '--force']);
    rmSync(this.folder, { recursive: true, force: true });
    return left;
  }

  private get env(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      FNFLEET_STACK: this.name,
      FNFLEET_CERTS: this.certificates,
      FNFLEET_PROMETHEUS_IMAGE: 'fnfleet/prometheus:latest',
      FNFLEET_ENDPOINT_MODE: 'dnsrr',
      FNFLEET_PUBLISH_MODE: 'host',
      FNFLEET_API_PORT: '0',
      FNFLEET_LB_PORT: '0',
      FNFLEET_PROMETHEUS_PORT: '0',
      ...this.settings,
    };
  }

  private async joinSwarm(): Promise<void> {
    const { Swarm } = (await this.docker.info()) as { Swarm: { LocalNodeState: string } };
    if (Swarm.LocalNodeState === 'active') return;
    await run('docker', ['swarm', 'init', '--advertise-addr', '127.0.0.1', '--listen-addr', '127.0.0.1']);
    this.swarmIsOurs = true;
  }

  private async makeCertificates(): Promise<void> {
    const { code, output } = await fnfleet([
      ...['certs', 'fleet', '--names', 'api,lb,runner,prometheus', '--san', '127.0.0.1', '--dir', this.certificates],
    ]);
    if (code !== 0) throw new Error(output);
    writeFileSync(path.join(this.certificates, 'operator.token'), `token-of-${this.name}\n`, { mode: 0o600 });
  }

  private async replicas(): Promise<[running: number, wanted: number][]> {
    const { stdout } = await run('docker', ['stack', 'services', '--format', '{{.Replicas}}', this.name]);
    return stdout
      .trim()
      .split('\n')
      .map((line) => {
        const [running = 0, wanted = Number.NaN] = line.split(/[/ ]/).map(Number);
        return [running, wanted];
      });
  }

  private async containers(): Promise<string[]> {
    const stack = await this.docker.listContainers({ all: true, filters: { label: [`${STACK}=${this.name}`] } });
    // Those of functions, which the runners of the stack have made.
    const all = await this.docker.listContainers({ all: true });
    const ours = all.filter(({ Mounts }) => Mounts.some(({ Source }) => Source.includes(`/${this.name}_runner-iofs/`)));
    return [...stack, ...ours].map(({ Names, Id }) => Names[0] ?? Id);
  }

  private async networks(): Promise<string[]> {
    const found = await this.docker.listNetworks({ filters: { label: [`${STACK}=${this.name}`] } });
    return found.map(({ Name }) => Name);
  }

  private async volumes(): Promise<string[]> {
    const { Volumes } = await this.docker.listVolumes({ filters: { label: [`${STACK}=${this.name}`] } });
    return (Volumes ?? []).map(({ Name }) => Name);
  }

  private async leftovers(): Promise<string[]> {
    const of = async (kind: string) => {
      const { stdout } = await run('docker', [kind, 'ls', '-q', '--filter', `label=${STACK}=${this.name}`]);
      return stdout.split('\n').flatMap((id) => (id === '' ? [] : `${kind} ${id}`));
    };
    return [
      ...(await this.containers()).map((name) => `container ${name}`),
      ...(await this.networks()).map((name) => `network ${name}`),
      ...(await this.volumes()).map((name) => `volume ${name}`),
      ...(await of('service')),
      ...(await of('secret')),
      ...(await of('config')),
    ];
  }

  /** For whoever has to find out why it did not come up. */
  async said(): Promise<string> {
    const tasks = await run('docker', ['stack', 'ps', '--no-trunc', this.name]).catch(({ message }) => ({
      stdout: String(message),
    }));
    const containers = await this.docker.listContainers({ all: true, filters: { label: [`${STACK}=${this.name}`] } });
    const logs = await Promise.all(
      containers.map(async ({ Id, Names }) => {
        const { stdout, stderr } = await run('docker', ['logs', '--tail', '5', Id]).catch(() => ({
          stdout: '',
          stderr: 'no logs',
        }));
        return `${Names[0]}\n${stdout}${stderr}`;
      }),
    );
    return [tasks.stdout, ...logs].join('\n');
  }
}
