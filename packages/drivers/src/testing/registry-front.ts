import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The port that clients of a registry see: keeps count, and can answer in place of the registry. */
export class RegistryFront {
  /** `METHOD /path` of each request, in the order of arrival. */
  readonly requests: string[] = [];
  /** The status to answer a request with, in the way that registries do; undefined: as the registry itself. */
  answer: (call: string) => number | undefined = () => undefined;

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

  /** What images of this registry begin with. */
  get host(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** How often the tag of an image was looked up: once for each pull. */
  lookups(repository: string, tag: string): number {
    return this.requests.filter((call) => call === `HEAD /v2/${repository}/manifests/${tag}`).length;
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
    if (status === undefined) return this.passOn(incoming, response);
    const errors = status === 429 ? [{ code: 'TOOMANYREQUESTS', message: 'slow down' }] : [];
    incoming.resume();
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify({ errors }));
  }

  private passOn(incoming: IncomingMessage, response: ServerResponse): void {
    const { url, method, headers } = incoming;
    const onward = request({ host: '127.0.0.1', port: this.registryPort, path: url, method, headers });
    onward.on('error', () => response.destroy());
    onward.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    response.on('close', () => onward.destroy());
    incoming.pipe(onward);
  }
}
