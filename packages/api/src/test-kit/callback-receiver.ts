import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

export interface ReceivedCallback {
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** Answers a request; by default 204. */
export type Script = (res: ServerResponse, nth: number, req: IncomingMessage) => void;

/** A server that receives callbacks, well or badly. */
export class CallbackReceiver {
  readonly received: ReceivedCallback[] = [];
  connections = 0;
  open = 0;
  mostOpen = 0;

  private constructor(
    private readonly server: Server,
    private readonly scheme: 'http' | 'https',
  ) {}

  static async start(script: Script = accepts, tls?: { readonly cert: string; readonly key: string }) {
    const answer = (req: IncomingMessage, res: ServerResponse) => {
      const chunks: Buffer[] = [];
      req.on('data', (chunk) => chunks.push(chunk));
      req.on('end', () => {
        const headers = req.headers as Record<string, string>;
        receiver.received.push({ headers, body: Buffer.concat(chunks).toString() });
        script(res, receiver.received.length, req);
      });
    };
    const server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer);
    const receiver = new CallbackReceiver(server, tls === undefined ? 'http' : 'https');
    server.on('connection', (socket: Socket) => {
      receiver.connections += 1;
      receiver.open += 1;
      receiver.mostOpen = Math.max(receiver.mostOpen, receiver.open);
      socket.on('close', () => {
        receiver.open -= 1;
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return receiver;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  url(path = '/done', host = '127.0.0.1'): string {
    return `${this.scheme}://${host}:${this.port}${path}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

export const accepts: Script = (res) => void res.writeHead(204).end();

/** The statuses of the first answers; the last one of them for all others. */
export function answers(...statuses: readonly number[]): Script {
  return (res, nth) => void res.writeHead(statuses[Math.min(nth, statuses.length) - 1] ?? 204).end();
}
