import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

export interface RunnerProcessOptions {
  /** A balancer that does not answer a keepalive PING for this long is considered lost, milliseconds. */
  readonly keepaliveTimeoutMs?: number;
  /** Maximum number of open streams per connection. */
  readonly maxStreams?: number;
  readonly tls?: boolean;
}

/** What a runner process holds at one moment, after a garbage collection. */
export interface Holdings {
  /** Connections of balancers, without those to containers. */
  readonly sockets: number;
  readonly timers: number;
  readonly engagements: number;
  /** JavaScript heap and buffers. */
  readonly memoryBytes: number;
  /** Uncaught errors since the start. */
  readonly errors: readonly string[];
}

interface Started {
  readonly port: number;
  readonly material: { readonly cert: string; readonly key: string; readonly ca: string };
}

/**
 * A runner in its own process, with the functions `echo`, `big` (answers with 10 MiB), `held` (never answers) and `stuck`
 * (reads nothing). What it holds can be counted without what the test itself holds.
 */
export class RunnerProcess {
  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
    /** With TLS: the certificate of a member of the fleet. */
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
    if (!this.child.connected) throw new Error('the runner process has ended');
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
