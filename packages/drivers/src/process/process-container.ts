import { type ChildProcess, spawn } from 'node:child_process';
import type { OnReadOpts, Socket } from 'node:net';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { Deferred, FnError, Once, systemClock } from '@fnfleet/core';
import type { Container, ContainerSpec, ExitResult, OutputListener, OutputSource } from '../driver.js';
import type { Iofs } from '../iofs/iofs.js';
import { drainOutput, throwIfAborted } from '../waiting.js';
import type { ProcessManifest } from './process-manifest.js';

/** A function as a child process that leads its own process group, so that its children end with it. */
export class ProcessContainer implements Container {
  readonly id: string;
  readonly socketPath: string;
  private child: ChildProcess | undefined;
  private output: ProcessOutput | undefined;
  private readonly exited = new Deferred<ExitResult>();
  private readonly closing = new Once(() => this.closeOnce());

  constructor(
    private readonly spec: ContainerSpec,
    private readonly manifest: ProcessManifest,
    private readonly iofs: Iofs,
    private readonly environment: Readonly<Record<string, string>>,
    private readonly onClosed: (container: ProcessContainer) => void,
  ) {
    this.id = spec.id;
    this.socketPath = iofs.socketPath;
  }

  async start(signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    if (this.closing.called) throw new Error('the container is closed');
    const { command, args, directory } = this.manifest;
    const child = spawn(command, args, {
      cwd: directory,
      // The agent's value is valid only inside a container.
      env: { ...this.environment, ...this.spec.env, FN_LISTENER: `unix:${this.socketPath}` },
      detached: true,
      stdio: this.spec.output ? ['ignore', 'pipe', 'pipe'] : 'ignore',
    });
    this.child = child;
    if (this.spec.output) this.output = new ProcessOutput(child, this.spec.output);
    child.once('exit', (code, killedBy) => this.ended(exitCodeOf(code, killedBy)));
    const spawned = new Deferred<void>();
    child.once('spawn', () => spawned.resolve());
    child.once('error', (cause) => {
      this.exited.resolve({ exitCode: 127, outOfMemory: false });
      spawned.reject(new FnError('containerInitFailed', { cause }));
    });
    await spawned.promise;
  }

  listening(signal: AbortSignal): Promise<void> {
    return this.iofs.listening(signal);
  }

  connect(read?: OnReadOpts): Socket {
    return this.iofs.connect(read);
  }

  async pause(): Promise<void> {
    this.signalGroup('SIGSTOP');
  }

  async resume(): Promise<void> {
    this.signalGroup('SIGCONT');
  }

  wait(): Promise<ExitResult> {
    return this.exited.promise;
  }

  close(): Promise<void> {
    return this.closing.call();
  }

  private ended(exitCode: number): void {
    // Now, not at close: once the whole group is gone, the system may reuse its id.
    this.signalGroup('SIGKILL');
    this.child = undefined;
    this.exited.resolve({ exitCode, outOfMemory: false });
  }

  /** Does nothing if the group is gone. */
  private signalGroup(name: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
    const pid = this.child?.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  private async closeOnce(): Promise<void> {
    if (this.child?.pid === undefined) this.exited.resolve({ exitCode: 137, outOfMemory: false });
    this.signalGroup('SIGKILL');
    await this.exited.promise;
    await this.output?.close();
    await this.iofs.close();
    this.onClosed(this);
  }
}

/** By the convention of shells, 128 + the signal number. */
function exitCodeOf(code: number | null, killedBy: NodeJS.Signals | null): number {
  return code ?? 128 + (killedBy === null ? 0 : constants.signals[killedBy]);
}

/** Reads both outputs of a child process to their end. */
class ProcessOutput {
  private readonly streams: readonly Readable[];
  private readonly end: Promise<void>;

  constructor(child: ChildProcess, listener: OutputListener) {
    const sources: [Readable | null, OutputSource][] = [
      [child.stdout, 'stdout'],
      [child.stderr, 'stderr'],
    ];
    this.streams = sources.flatMap(([stream, source]) => {
      stream?.on('data', (chunk: Buffer) => listener(chunk, source));
      return stream ?? [];
    });
    this.end = Promise.all(this.streams.map(closed)).then(() => undefined);
  }

  /** Call it after the process has ended. Resolves when all its output has been passed on. */
  close(): Promise<void> {
    // A process that left the group may keep the pipes open.
    return drainOutput(this.end, () => this.streams.forEach((stream) => void stream.destroy()), systemClock);
  }
}

function closed(stream: Readable): Promise<void> {
  return new Promise((resolve) => {
    stream.on('error', () => undefined); // `close` follows
    stream.once('close', resolve);
  });
}
