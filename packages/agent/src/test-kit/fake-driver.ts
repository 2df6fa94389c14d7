import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createRawServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Deferred } from '@fnfleet/core';
import type { Container, ContainerSpec, Driver, ExitResult } from '@fnfleet/drivers';

/** How the containers of an image behave. */
export interface FakeFunction {
  /** Answers HTTP. */
  readonly http?: RequestListener;
  /** Speaks over each connection as it likes. */
  readonly raw?: (socket: Socket) => void;
  /** Ends by itself as soon as it is started. */
  readonly exitsAtStart?: number;
  /** Neither http nor raw: it never opens its socket. */
  readonly listenError?: Error;
  readonly pullError?: Error;
  readonly createError?: Error;
}

type Step = 'pull' | 'create' | 'start' | 'close';

/** A driver for tests: functions are servers in this process on real sockets. Counts what it made and what is left. */
export class FakeDriver implements Driver {
  readonly name = 'fake';
  readonly capabilities = { pause: false, isolation: false, slotKeyExtension: '' };
  readonly ready = Promise.resolve();
  /** Every container ever made, in order. */
  readonly containers: FakeContainer[] = [];
  /** Runs before each step; a test holds steps with it. */
  before: (step: Step, spec: ContainerSpec) => Promise<void> = async () => undefined;
  closed = false;

  constructor(readonly functions: Record<string, FakeFunction>) {}

  get live(): number {
    return this.containers.filter((container) => !container.gone).length;
  }

  async prepareImage(spec: ContainerSpec, signal: AbortSignal): Promise<{ pullNs: number }> {
    await cutShort(this.before('pull', spec), signal);
    const { pullError } = this.behaviour(spec);
    if (pullError) throw pullError;
    return { pullNs: 7 };
  }

  async create(spec: ContainerSpec, signal: AbortSignal): Promise<Container> {
    await cutShort(this.before('create', spec), signal);
    const behaviour = this.behaviour(spec);
    if (behaviour.createError) throw behaviour.createError;
    const container = new FakeContainer(spec, behaviour, this);
    this.containers.push(container);
    return container;
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  private behaviour(spec: ContainerSpec): FakeFunction {
    return this.functions[spec.image] ?? {};
  }
}

export class FakeContainer implements Container {
  readonly id: string;
  readonly socketPath: string;
  readonly sockets = new Set<Socket>();
  /** Most connections that were open at one time. */
  mostConnections = 0;
  gone = false;
  private readonly directory = mkdtempSync(join(tmpdir(), 'fn-agent-test-'));
  private readonly exited = new Deferred<ExitResult>();
  private readonly opened = new Deferred<void>();
  private server: Server | undefined;

  constructor(
    readonly spec: ContainerSpec,
    private readonly behaviour: FakeFunction,
    private readonly driver: FakeDriver,
  ) {
    this.id = spec.id;
    this.socketPath = join(this.directory, 'lsnr.sock');
  }

  async start(signal: AbortSignal): Promise<void> {
    await cutShort(this.driver.before('start', this.spec), signal);
    const { http, raw, exitsAtStart, listenError } = this.behaviour;
    if (exitsAtStart !== undefined) return this.exit(exitsAtStart);
    if (listenError) return this.opened.reject(listenError);
    if (!http && !raw) return;
    // Like an FDK that never closes an idle connection by itself.
    this.server = http ? createServer({ keepAliveTimeout: 0 }, http) : createRawServer({ allowHalfOpen: true }, raw);
    this.server.on('connection', (socket) => this.track(socket));
    this.server.listen(this.socketPath, () => this.opened.resolve());
  }

  async listening(signal: AbortSignal): Promise<void> {
    await cutShort(this.opened.promise, signal);
  }

  async pause(): Promise<void> {}

  async resume(): Promise<void> {}

  wait(): Promise<ExitResult> {
    return this.exited.promise;
  }

  /** The process ends, its sockets with it. */
  exit(exitCode = 0): void {
    this.exited.resolve({ exitCode, outOfMemory: false });
    for (const socket of this.sockets) socket.destroy();
    this.server?.close();
  }

  async close(): Promise<void> {
    if (this.gone) return;
    await this.driver.before('close', this.spec);
    const closed = this.server?.listening ? once(this.server, 'close') : undefined;
    this.exit(137);
    await closed;
    rmSync(this.directory, { recursive: true, force: true });
    this.gone = true;
  }

  private track(socket: Socket): void {
    this.sockets.add(socket);
    this.mostConnections = Math.max(this.mostConnections, this.sockets.size);
    socket.on('error', () => undefined).on('close', () => this.sockets.delete(socket));
  }
}

function cutShort(step: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    step.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
