import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Engines report progress ten times per second, and only while data arrives. */
const PIECE_BYTES = 64 * 1024;
const PAUSE_MS = 10;

/** How the body of one response is delivered. */
export interface Flow {
  /** Bytes that are passed on, in pieces. */
  readonly bytes: number;
  /** After that, the connection is closed, or the rest is sent when this resolves. */
  readonly next: 'cut' | Promise<void>;
}

/** A proxy in front of a registry that counts requests, answers instead of the registry, or slows its responses down. */
export class RegistryFront {
  /** `METHOD /path` of each request, in order of arrival. */
  readonly requests: string[] = [];
  /** Returns the status with which to answer instead of the registry; undefined passes the request on. */
  answer: (call: string) => number | 'never' | undefined = () => undefined;
  /** How a response is delivered; undefined for full speed. */
  flow: (call: string) => Flow | undefined = () => undefined;

  private constructor(
    private readonly server: Server,
    private readonly registryPort: number,
  ) {}

  static async open(registryPort: number): Promise<RegistryFront> {
    const server = createServer();
    const front = new RegistryFront(server, registryPort);
    server.on('request', (incoming, response) => front.serve(incoming, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return front;
  }

  /** The prefix of image names of this registry. */
  get host(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** How often a tag or digest was looked up, which happens once per pull. */
  lookups(repository: string, reference: string): number {
    const method = reference.includes(':') ? 'GET' : 'HEAD';
    return this.requests.filter((call) => call === `${method} /v2/${repository}/manifests/${reference}`).length;
  }

  /** Resets it to its initial state. */
  reset(): void {
    this.requests.length = 0;
    this.answer = () => undefined;
    this.flow = () => undefined;
  }

  async close(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }

  private serve(incoming: IncomingMessage, response: ServerResponse): void {
    const call = `${incoming.method} ${incoming.url}`;
    this.requests.push(call);
    const status = this.answer(call);
    if (status === undefined) return this.passOn(call, incoming, response);
    incoming.resume();
    if (status === 'never') return;
    const { code, message } = ERRORS[status] ?? { code: 'UNKNOWN', message: 'unknown error' };
    response
      .writeHead(status, { 'Content-Type': 'application/json' })
      .end(JSON.stringify({ errors: [{ code, message }] }));
  }

  private passOn(call: string, incoming: IncomingMessage, response: ServerResponse): void {
    const { url, method, headers } = incoming;
    const onward = request({ host: '127.0.0.1', port: this.registryPort, path: url, method, headers });
    onward.on('error', () => response.destroy());
    onward.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      const flow = this.flow(call);
      if (flow === undefined) answer.pipe(response);
      else this.passSlowly(answer, flow, response).catch(() => response.destroy());
    });
    response.on('close', () => onward.destroy());
    incoming.pipe(onward);
  }

  private async passSlowly(answer: IncomingMessage, flow: Flow, response: ServerResponse): Promise<void> {
    let left = flow.bytes;
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      for (let at = 0; at < chunk.length; ) {
        if (left === 0) {
          if (flow.next === 'cut') return void response.destroy();
          await flow.next;
          left = Number.POSITIVE_INFINITY;
        }
        const piece = chunk.subarray(at, at + Math.min(PIECE_BYTES, left));
        response.write(piece);
        at += piece.length;
        left -= piece.length;
        await sleep(PAUSE_MS);
      }
    }
    response.end();
  }
}

/** Error codes of registries. */
const ERRORS: Readonly<Record<number, { code: string; message: string }>> = {
  401: { code: 'UNAUTHORIZED', message: 'authentication required' },
  403: { code: 'DENIED', message: 'requested access to the resource is denied' },
  404: { code: 'MANIFEST_UNKNOWN', message: 'manifest unknown' },
  429: { code: 'TOOMANYREQUESTS', message: 'slow down' },
};
