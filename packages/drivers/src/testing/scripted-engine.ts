import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Deferred, type Environment } from '@fnfleet/core';

/**
 * How the engine reacts to a request: it answers with a status and a body, never answers, closes the connection before or during
 * the answer, or begins an answer that never ends.
 */
export type EngineAnswer =
  | readonly [status: number, body?: unknown]
  | 'hangs'
  | 'hangs up'
  | 'breaks off'
  | 'goes on'
  | ((response: ServerResponse) => void);

const HEALTHY: Readonly<Record<string, readonly EngineAnswer[]>> = {
  'GET /_ping': [[200, 'OK']],
  'GET /version': [[200, { Version: '24.0.7' }]],
  'GET /events': ['goes on'],
  'GET /info': [[200, { CgroupVersion: '2' }]],
  'GET /containers/json': [[200, []]],
  'POST /containers/create': [[201, { Id: 'made' }]],
};

/** A Docker engine that follows a script, for failures that a real one rarely shows. */
export class ScriptedEngine {
  /** `METHOD /path` of each request, in order of arrival. */
  readonly calls: string[] = [];
  /** `METHOD /path?query` of each request, as received. */
  readonly targets: string[] = [];
  private readonly heads: { readonly call: string; readonly headers: IncomingHttpHeaders }[] = [];
  private readonly script = new Map<string, EngineAnswer[]>();
  private readonly sockets = new Set<Socket>();
  private readonly awaited: { readonly call: string; readonly seen: Deferred<void> }[] = [];

  private constructor(
    private readonly server: Server,
    private readonly folder: string,
  ) {
    for (const [call, answers] of Object.entries(HEALTHY)) this.answers(call, ...answers);
  }

  static async start(): Promise<ScriptedEngine> {
    const folder = await mkdtemp(join(tmpdir(), 'fne'));
    const server = createServer();
    const engine = new ScriptedEngine(server, folder);
    server.on('request', (request, response) => engine.serve(request, response));
    server.on('connection', (socket: Socket) => {
      socket.on('error', () => undefined); // who asked has left
      engine.sockets.add(socket);
      socket.once('close', () => engine.sockets.delete(socket));
    });
    server.listen(join(folder, 'docker.sock'));
    await once(server, 'listening');
    return engine;
  }

  /** The settings with which a driver uses this engine. */
  get environment(): Environment {
    return {
      DOCKER_HOST: `unix://${join(this.folder, 'docker.sock')}`,
      FN_IOFS_PATH: this.folder,
      // Otherwise the engine is asked at start what it sees.
      FN_IOFS_TMPFS: '0',
    };
  }

  /** Resolves when no connection is open. A leaked connection makes the test time out. */
  async quiet(): Promise<void> {
    await Promise.all([...this.sockets].map((socket) => once(socket, 'close')));
  }

  /** Sets the answers to one kind of request, in order; the last one is repeated. */
  answers(call: string, ...answers: EngineAnswer[]): void {
    this.script.set(call, answers);
  }

  /** Resolves when a request of this kind arrives. */
  received(call: string): Promise<void> {
    const seen = new Deferred<void>();
    this.awaited.push({ call, seen });
    return seen.promise;
  }

  count(call: string): number {
    return this.calls.filter((made) => made === call).length;
  }

  /** The registry credentials of each pull. */
  get shownToRegistry(): readonly unknown[] {
    return this.heads
      .filter(({ call }) => call === 'POST /images/create')
      .map(({ headers }) => String(headers['x-registry-auth'] ?? ''))
      .map((auth) => (auth === '' ? undefined : JSON.parse(Buffer.from(auth, 'base64url').toString())));
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await rm(this.folder, { recursive: true });
  }

  private serve(request: IncomingMessage, response: ServerResponse): void {
    const call = `${request.method} ${request.url?.replace(/\?.*/, '')}`;
    this.calls.push(call);
    this.targets.push(`${request.method} ${request.url}`);
    this.heads.push({ call, headers: request.headers });
    request.resume();
    const answers = this.script.get(call) ?? [[404, { message: `not in the script: ${call}` }] as const];
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (Array.isArray(answer)) {
      response.writeHead(answer[0], { 'Content-Type': 'application/json' });
      response.end(typeof answer[1] === 'string' ? answer[1] : JSON.stringify(answer[1] ?? {}));
    } else if (typeof answer === 'function') {
      answer(response);
    } else if (answer === 'hangs up') {
      request.socket.destroy();
    } else if (answer === 'goes on') {
      response.writeHead(200, { 'Content-Type': 'application/json' });
      response.flushHeaders();
    } else if (answer === 'breaks off') {
      response.writeHead(200, { 'Content-Type': 'application/json' });
      response.write('{"Sta', () => request.socket.destroy());
    }
    for (const { call: wanted, seen } of this.awaited) if (wanted === call) seen.resolve();
  }
}
