import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer, type OnReadOpts, type Server, type Socket } from 'node:net';
import { Deferred, Once } from '@fnfleet/core';
import type { Container, ContainerSpec, ExitResult, ImagePull, OutputSource } from '../driver.js';
import type { Iofs } from '../iofs/iofs.js';
import { throwIfAborted } from '../waiting.js';
import type { Gates } from './gate.js';

/** What a container of the scripted driver does. Parts combine: `{ ...fn(handler), pauseError: new Error('…') }`. */
export interface ScriptedFunction {
  /** Answers requests. */
  readonly handler?: FunctionHandler;
  /** Receives each raw connection, instead of HTTP requests. */
  readonly connectionHandler?: ConnectionHandler;
  /** Makes the server listen where the runner expects it. By default it binds the socket there. */
  readonly offer?: (server: Server, socketPath: string, spec: ContainerSpec) => Promise<unknown>;
  /** Exits with this code at its start, before it opens a socket. */
  readonly exitAtStart?: number;
  /** Starts and runs, but never opens its socket. */
  readonly neverListens?: boolean;
  /** Reported duration of the pull, nanoseconds. Default 0: the image is present. */
  readonly pullNs?: number;
  /** Reported progress of the pull, before the gate. Default: none. */
  readonly pull?: ImagePull;
  /** The error that the step fails with. */
  readonly pullError?: Error;
  readonly createError?: Error;
  readonly startError?: Error;
  readonly pauseError?: Error;
  readonly resumeError?: Error;
}

export type FunctionHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  container: ScriptedContainer,
) => unknown;

export type ConnectionHandler = (socket: Socket, container: ScriptedContainer) => unknown;

const KILLED: ExitResult = { exitCode: 137, outOfMemory: false };
const NEVER = new AbortController().signal;

/** A container whose function runs in this process, behind a real unix socket. */
export class ScriptedContainer implements Container {
  readonly id: string;
  readonly socketPath: string;
  private readonly sockets = new Set<Socket>();
  private readonly exited = new Deferred<ExitResult>();
  private readonly closing = new Once(() => this.closeOnce());
  private server: Server | undefined;
  private stopped = false;
  /** Set while paused; resolves on resume. */
  private pausedUntil: Deferred<void> | undefined;

  constructor(
    readonly spec: ContainerSpec,
    private readonly script: ScriptedFunction,
    private readonly iofs: Iofs,
    private readonly counters: Counters,
    private readonly gates: Gates,
    private readonly onClosed: (container: ScriptedContainer) => void,
  ) {
    this.id = spec.id;
    this.socketPath = iofs.socketPath;
  }

  get isPaused(): boolean {
    return this.pausedUntil !== undefined;
  }

  /** Open connections to the function. */
  get connections(): number {
    return this.sockets.size;
  }

  async start(signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    await this.gates.start.pass(this.spec, signal);
    if (this.script.startError) throw this.script.startError;
    this.counters.started += 1;
    if (this.script.exitAtStart !== undefined) return this.exit({ exitCode: this.script.exitAtStart });
    if (this.script.neverListens) return;
    // The function opens its socket itself, after the start.
    void this.open();
  }

  async listening(signal: AbortSignal): Promise<void> {
    await this.iofs.listening(signal);
    this.counters.listening += 1;
  }

  connect(read?: OnReadOpts): Socket {
    return this.iofs.connect(read);
  }

  async pause(): Promise<void> {
    await this.gates.pause.pass(this.spec, NEVER);
    if (this.script.pauseError) throw this.script.pauseError;
    this.pausedUntil ??= new Deferred();
    this.counters.paused += 1;
  }

  async resume(): Promise<void> {
    await this.gates.resume.pass(this.spec, NEVER);
    if (this.script.resumeError) throw this.script.resumeError;
    this.thaw();
    this.counters.resumed += 1;
  }

  wait(): Promise<ExitResult> {
    return this.exited.promise;
  }

  close(): Promise<void> {
    return this.closing.call();
  }

  /** Whether the output of the function has a listener. */
  get isAttached(): boolean {
    return this.spec.output !== undefined;
  }

  /** Emits output of the function, in one chunk. */
  print(text: string | Buffer, source: OutputSource = 'stdout'): void {
    this.spec.output?.(Buffer.from(text), source);
  }

  /** Ends the function, as an exit or a crash would. */
  exit({ exitCode = 0, outOfMemory = false }: Partial<ExitResult> = {}): void {
    this.stop({ exitCode, outOfMemory });
  }

  private async open(): Promise<void> {
    await this.gates.listen.pass(this.spec, NEVER);
    if (this.stopped) return;
    const server = this.serve();
    this.server = server;
    server.on('connection', (socket: Socket) => this.adopt(socket));
    const offer = this.script.offer ?? bind;
    try {
      await offer(server, this.socketPath, this.spec);
      if (this.stopped) server.close();
    } catch {
      // It was closed while it was opening, so the directory is gone.
      this.exit({ exitCode: 1 });
    }
  }

  private serve(): Server {
    const { handler, connectionHandler } = this.script;
    if (connectionHandler) return createServer((socket) => void this.whenAwake(() => connectionHandler(socket, this)));
    const server = createHttpServer({ requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 0 });
    return server.on('request', (request, response) => {
      void this.whenAwake(() => (handler ? handler(request, response, this) : response.end()));
    });
  }

  /** A paused function does nothing until it is resumed. A function that throws has crashed. */
  private async whenAwake(action: () => unknown): Promise<void> {
    await this.pausedUntil?.promise;
    if (this.stopped) return;
    try {
      await action();
    } catch {
      this.exit({ exitCode: 1 });
    }
  }

  private adopt(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => this.sockets.delete(socket));
  }

  private thaw(): void {
    this.pausedUntil?.resolve();
    this.pausedUntil = undefined;
  }

  private stop(result: ExitResult): void {
    this.stopped = true;
    this.server?.close();
    for (const socket of this.sockets) socket.destroy();
    this.exited.resolve(result);
  }

  private async closeOnce(): Promise<void> {
    await this.gates.close.pass(this.spec, NEVER);
    this.stop(KILLED);
    this.thaw();
    await this.iofs.close();
    this.counters.closed += 1;
    this.onClosed(this);
  }
}

async function bind(server: Server, path: string): Promise<void> {
  server.listen(path);
  await once(server, 'listening');
}

/** A function that answers over HTTP. */
export function fn(handler: FunctionHandler): ScriptedFunction {
  return { handler };
}

/** A function that receives the raw connection, for responses that are not HTTP or that end with the connection. */
export function rawFn(connectionHandler: ConnectionHandler): ScriptedFunction {
  return { connectionHandler };
}

export function neverListens(): ScriptedFunction {
  return { neverListens: true };
}

export function exitsAtStart(exitCode: number): ScriptedFunction {
  return { exitAtStart: exitCode };
}

export function pullFails(pullError: Error): ScriptedFunction {
  return { pullError };
}

/** Counts what the containers of a scripted driver have done so far; `live` is how many exist now. */
export class Counters {
  prepared = 0;
  released = 0;
  created = 0;
  started = 0;
  listening = 0;
  paused = 0;
  resumed = 0;
  closed = 0;
  /** The highest number of live containers so far. */
  peak = 0;

  /** Images that were prepared and not released. */
  get heldImages(): number {
    return this.prepared - this.released;
  }

  get live(): number {
    return this.created - this.closed;
  }
}
