import { type ChildProcess, fork } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { isFailedMessage, isReadyMessage } from '@fnfleet/node';
import { DEFAULT_GRPC_PORT, type FleetOptions, type FleetPlan, type PlannedNode, planFleet } from './fleet-plan.js';

/**
 * A node that has not stopped by then is considered hung. Longer than the grace that a role gives its calls;
 * milliseconds.
 */
const STOP_LIMIT_MS = 60_000;

export interface LocalFleetOptions extends Omit<FleetOptions, 'dataDir' | 'grpc'> {
  /**
   * gRPC port of the first runner; the others use the ports after it. By default, runners listen on unix sockets, or if that is not
   * possible, on the ports from 9190 on.
   */
  readonly grpcPort?: number | undefined;
  /** Data directory that is kept across runs; by default a temporary one, which is removed at the end. */
  readonly dataDir?: string;
  readonly print: (line: string) => void;
}

/** One API node, one balancer and some runners on this machine, each as its own process. */
export class LocalFleet {
  readonly plan: FleetPlan;
  private readonly dataDir: string;
  private readonly temporary: boolean;
  private readonly nodes: NodeProcess[] = [];

  constructor(private readonly options: LocalFleetOptions) {
    this.temporary = options.dataDir === undefined;
    this.dataDir = path.resolve(options.dataDir ?? mkdtempSync(path.join(tmpdir(), 'fnfleet-')));
    mkdirSync(path.join(this.dataDir, 'iofs'), { recursive: true });
    this.plan = planFleet({ ...options, dataDir: this.dataDir, grpc: this.chooseGrpc() });
  }

  private chooseGrpc(): FleetOptions['grpc'] {
    const { grpcPort, settings = {}, settingsOf, secure = false } = this.options;
    if (grpcPort !== undefined) return { port: grpcPort };
    const settingsOfRunner = { ...process.env, ...settings, ...settingsOf?.('runner1') };
    if (secure && !isValidForSockets(settingsOfRunner)) return { port: DEFAULT_GRPC_PORT };
    // A temporary directory has mode 0700 itself, and a short path is easier to read in logs.
    const socketsDir = this.temporary ? this.dataDir : path.join(this.dataDir, 'run');
    mkdirSync(socketsDir, { recursive: true, mode: 0o700 });
    return { socketsDir };
  }

  /** Resolves when every node serves. Rejects when one fails to start; `close` then cleans up. */
  async start(): Promise<void> {
    const { api, lb, runners } = this.plan;
    for (const node of [api, ...runners, lb]) this.nodes.push(new NodeProcess(node, this.options.print));
    await Promise.all(this.nodes.map((node) => node.ready));
  }

  /** Resolves with a description when a node ends unexpectedly. */
  nodeLost(): Promise<string> {
    return Promise.race(this.nodes.map((node) => node.ended.then((how) => `${node.plan.name} ${how}`)));
  }

  get processes(): readonly { name: string; pid: number | undefined }[] {
    return this.nodes.map((node) => ({ name: node.plan.name, pid: node.pid }));
  }

  /** Drains a node and starts it again with the same settings. Resolves when it serves. */
  async restart(name: string): Promise<void> {
    const node = this.node(name);
    await node.close(STOP_LIMIT_MS);
    await this.startAgain(node);
  }

  /** Kills a node, as a crash would. Resolves when it is gone; `revive` starts it again. */
  async kill(name: string): Promise<void> {
    await this.node(name).destroy();
  }

  /** Starts a node that was killed. Resolves when it serves. */
  async revive(name: string): Promise<void> {
    await this.startAgain(this.node(name));
  }

  private node(name: string): NodeProcess {
    const found = this.nodes.find((node) => node.plan.name === name);
    if (found === undefined) throw new Error(`no node ${name}`);
    return found;
  }

  private async startAgain(ended: NodeProcess): Promise<void> {
    const successor = new NodeProcess(ended.plan, this.options.print);
    this.nodes[this.nodes.indexOf(ended)] = successor;
    await successor.ready;
  }

  /** Drains in the direction of calls: the balancer, then the runners, then the API node. Leaves nothing behind. */
  async close(): Promise<void> {
    const byName = (name: string) => this.nodes.filter((node) => node.plan.name.startsWith(name));
    for (const group of [byName('lb'), byName('runner'), byName('api')]) {
      await Promise.all(group.map((node) => node.close(STOP_LIMIT_MS)));
    }
    if (this.temporary) rmSync(this.dataDir, { recursive: true, force: true });
  }
}

/** Whether balancers will accept the certificate of a runner on a unix socket, where its name has to be `localhost`. */
function isValidForSockets({ FN_TLS_CERT: file, FN_TLS_RUNNER_NAME: name }: NodeJS.ProcessEnv): boolean {
  if (name) return true;
  try {
    return new X509Certificate(readFileSync(file ?? '')).checkHost('localhost') !== undefined;
  } catch {
    // The runner will say what is wrong with it.
    return false;
  }
}

/** Time limit for stopping a node that has no calls yet, milliseconds. */
const START_LIMIT_MS = 5_000;

const ENTRY = path.join(__dirname, '../../bin/fnfleet.js');

/** The young generation that `bin/fnfleet` chooses, although this process may not have been started by it. See docs/performance.md. */
function execArgvOfNodes(): string[] {
  const chosen = [...process.execArgv, process.env.NODE_OPTIONS ?? ''];
  const isChosen = chosen.some((option) => option.includes('max-semi-space-size'));
  return isChosen ? process.execArgv : [...process.execArgv, '--max-semi-space-size=8'];
}

/** One node of a local fleet as a child process. Its output is passed on line by line, prefixed with its name. */
class NodeProcess {
  /** Resolves when the node serves. Rejects when it ends before that, with its name and the reason. */
  readonly ready: Promise<void>;
  /** Resolves with the exit code or signal when the process has ended. */
  readonly ended: Promise<string>;
  private readonly child: ChildProcess;
  private running = true;
  private serves = false;

  constructor(
    readonly plan: PlannedNode,
    print: (line: string) => void,
  ) {
    this.child = fork(ENTRY, ['node'], {
      execArgv: execArgvOfNodes(),
      env: { ...plan.defaults, ...process.env, ...plan.env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // Detached, so that Ctrl-C in the terminal reaches only this process: nodes have to stop in order.
      detached: true,
    });
    for (const output of [this.child.stdout, this.child.stderr]) if (output) forward(output, plan.name, print);
    this.ended = new Promise((resolve) => {
      this.child.once('exit', (code, signal) => {
        this.running = false;
        resolve(signal ? `was terminated by ${signal}` : `exited with code ${code}`);
      });
    });
    this.ready = new Promise((resolve, reject) => {
      this.child.on('message', (message) => {
        if (isFailedMessage(message)) reject(new Error(`${plan.name} does not start: ${message.failed}`));
        if (!isReadyMessage(message)) return;
        this.serves = true;
        resolve();
      });
      void this.ended.then((how) => reject(new Error(`${plan.name} ${how} before it was ready`)));
    });
    this.ready.catch(() => undefined); // without a listener, a rejection would end the process
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Kills the process. Resolves when it is gone. */
  async destroy(): Promise<void> {
    if (!this.running) return;
    this.child.kill('SIGKILL');
    await this.ended;
  }

  /** Drains the node and waits until it has ended. Kills it after the limit, or if it hangs before it ever served. */
  async close(limitMs: number): Promise<void> {
    if (!this.running) return;
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), this.serves ? limitMs : START_LIMIT_MS);
    await this.ended;
    clearTimeout(timer);
  }
}

function forward(output: Readable, name: string, print: (line: string) => void): void {
  createInterface({ input: output }).on('line', (line) => print(`${name.padEnd(8)} ${line}`));
}
