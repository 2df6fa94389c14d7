import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An API node with nothing but a change feed, which does what a test says. */
export class FakeFeed {
  /** The positions that clients asked for, in order; `-` for none. */
  readonly asked: string[] = [];
  /** Open feeds, the newest last. */
  readonly open: ServerResponse[] = [];
  /** Answers a request. */
  behaviour: (res: ServerResponse, req: IncomingMessage) => void = (res) => this.begin(res);
  private readonly server = createServer((req, res) => {
    if (req.url !== '/v2/changes') return void res.writeHead(404).end('{"message":"Fn not found"}');
    this.asked.push(String(req.headers['last-event-id'] ?? '-'));
    res.on('error', () => undefined);
    this.behaviour(res, req);
  });

  async start(): Promise<this> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return this;
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Begins a feed; `reset` follows as from a real node if the client has no position. */
  begin(res: ServerResponse, position = '0'): void {
    res.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8', 'Fn-Heartbeat-Msecs': '1000' });
    res.flushHeaders();
    res.once('close', () => {
      const at = this.open.indexOf(res);
      if (at >= 0) this.open.splice(at, 1);
    });
    this.open.push(res);
    if (this.asked.at(-1) === '-') res.write(`id: ${position}\nevent: reset\ndata: {}\n\n`);
    else res.write(':\n\n');
  }

  /** Sends text as it is to the newest feed. */
  send(text: string | Buffer): void {
    this.open.at(-1)?.write(text);
  }

  change(position: string, change: object): void {
    this.send(eventText(position, change));
  }

  cut(): void {
    for (const res of [...this.open]) res.destroy();
  }

  cutInside(text: string): void {
    this.send(text);
    this.cut();
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

export function eventText(position: string, change: object): string {
  return `id: ${position}\nevent: change\ndata: ${JSON.stringify(change)}\n\n`;
}
