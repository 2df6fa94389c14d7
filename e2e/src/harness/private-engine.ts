import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { end, until } from '@fnfleet/testing';
import Docker from 'dockerode';

const QUIET = ['--log-level', 'error'];

interface StartOptions {
  /** Containers outlive the daemon. */
  readonly liveRestore?: boolean;
}

/**
 * A Docker engine that belongs to one test, which may stop, kill and restart it: a dockerd on a containerd of its own, with
 * everything they have in one folder. Needs root, as any dockerd does.
 */
export class PrivateEngine {
  readonly docker: Docker;
  private readonly folder = mkdtempSync(path.join(tmpdir(), 'fnpd'));
  private readonly log = path.join(this.folder, 'log');
  private readonly containerd: ChildProcess;
  private daemon: ChildProcess | undefined;

  private constructor() {
    if (process.getuid?.() !== 0) throw new Error('a dockerd of one’s own needs root');
    for (const name of ['containerd', 'iofs']) mkdirSync(this.path(name));
    const at = (name: string) => this.path('containerd', name);
    this.containerd = this.run(
      'containerd',
      ...QUIET,
      '--root',
      at('root'),
      '--state',
      at('state'),
      '--address',
      at('sock'),
    );
    this.docker = new Docker({ socketPath: this.path('sock') });
  }

  static async start(options: StartOptions = {}): Promise<PrivateEngine> {
    const engine = new PrivateEngine();
    try {
      await engine.startDaemon(options);
    } catch (error) {
      const log = readFileSync(engine.log, 'utf8');
      await engine.close();
      throw new Error(`the private engine did not start:\n${log}`, { cause: error });
    }
    return engine;
  }

  /** What a driver has to be told to use this engine. */
  get settings(): Record<string, string> {
    return { DOCKER_HOST: `unix://${this.path('sock')}`, FN_IOFS_PATH: this.path('iofs') };
  }

  /** Takes an image over from the engine of the machine. */
  async copyImage(name: string): Promise<void> {
    const loading = await this.docker.loadImage(await new Docker().getImage(name).get());
    for await (const _ of loading);
  }

  /** Names of containers, in whatever state they are. */
  async containers(): Promise<string[]> {
    const all = await this.docker.listContainers({ all: true });
    return all.map(({ Names }) => Names[0]?.slice(1) ?? '').sort();
  }

  /** The process of a container, on this machine. */
  async processOf(container: string): Promise<number> {
    return (await this.docker.getContainer(container).inspect()).State.Pid;
  }

  /** The daemon takes calls and answers none. */
  freeze(): void {
    this.daemon?.kill('SIGSTOP');
  }

  thaw(): void {
    this.daemon?.kill('SIGCONT');
  }

  /** Ends the daemon: on SIGTERM in good order, on SIGKILL as a crash would. */
  async stopDaemon(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const { daemon } = this;
    this.daemon = undefined;
    if (daemon !== undefined) await end(daemon, signal);
  }

  async startDaemon({ liveRestore = false }: StartOptions = {}): Promise<void> {
    // In a network of its own: a daemon without a bridge deletes docker0, which is that of the machine's engine.
    this.daemon = this.run(
      'unshare',
      ...['--net', 'dockerd', ...QUIET],
      ...['--data-root', this.path('data'), '--exec-root', this.path('exec'), '--pidfile', this.path('pid')],
      ...['--host', `unix://${this.path('sock')}`, '--containerd', this.path('containerd', 'sock')],
      ...['--bridge=none', '--iptables=false', '--ip6tables=false', `--live-restore=${liveRestore}`],
    );
    await until({ what: 'an answer of the private engine', look: () => this.docker.ping().catch(() => undefined) });
  }

  /** Removes everything. */
  async close(): Promise<void> {
    this.thaw();
    // Only a daemon can remove what a test left behind when it failed.
    if (this.daemon === undefined) await this.startDaemon().catch(() => undefined);
    const left = this.daemon === undefined ? [] : await this.containers().catch(() => []);
    const remove = (name: string) => this.docker.getContainer(name).remove({ force: true });
    // What is being removed already is refused.
    await Promise.all(left.map((name) => remove(name).catch(() => undefined)));
    await this.stopDaemon('SIGTERM');
    await end(this.containerd, 'SIGTERM');
    for (const mount of this.mounts()) spawnSync('umount', ['--lazy', mount]);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Deepest first. */
  private mounts(): string[] {
    const points = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[1] ?? '');
    return points.filter((point) => point.startsWith(`${this.folder}/`)).reverse();
  }

  private run(program: string, ...args: string[]): ChildProcess {
    const log = openSync(this.log, 'a');
    const child = spawn(program, args, { stdio: ['ignore', log, log] });
    child.on('error', () => undefined); // it never answers, then
    return child;
  }

  private path(...names: string[]): string {
    return path.join(this.folder, ...names);
  }
}
