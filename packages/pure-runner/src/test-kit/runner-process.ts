import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

export interface RunnerProcessOptions {
  /** A balancer that owes a sign of life for so long is taken for lost, milliseconds. */
  readonly keepaliveTimeoutMs?: number;
  /** Streams one connection may have open. */
  readonly maxStreams?: number;
  readonly tls?: boolean;
}

/** What a runner's process has in its hands at one moment, after a garbage collection. */
export interface Holdings {
  /** Connections of balancers; those to containers are not among them. */
  readonly sockets: number;
  readonly timers: number;
  readonly engagements: number;
  /** Of JavaScript, and of buffers. */
  readonly memoryBytes: number;
  /** Everything that nobody caught since the start. */
  readonly errors: readonly string[];
}

interface Started {
  readonly port: number;
  readonly material: { readonly cert: string; readonly key: string; readonly ca: string };
}

/**
 * A runner in a process of its own, with the functions `echo`, `big` (answers with 10 MiB), `held` (never answers)
 * and `stuck` (reads nothing). What
 * it holds can be counted without what the test holds itself.
 */
export class RunnerProcess {
  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
    /** With TLS: what a member of the fleet shows. */
    readonly material: Started['material'],
  ) {}

  static async start(options: RunnerProcessOptions = {}): Promise<RunnerProcess> {
    const child = fork(path.join(__dirname, 'runner-program.js'), [JSON.stringify(options)], {
      execArgv: ['--expose-gc', '--enable-source-maps'],
    });
    const [started] = (await once(child, 'message')) as [Started];
    return new RunnerProcess(child, started.port, started.material);
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  async holdings(): Promise<Holdings> {
    if (!this.child.connected) throw new Error('the process of the runner has ended');
    const answer = once(this.child, 'message') as Promise<[Holdings]>;
    this.child.send('holdings');
    const [holdings] = await answer;
    return holdings;
  }

  async close(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }
}
