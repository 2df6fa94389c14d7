import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Objects in the representation of an API node. */
export interface ApiContents {
  readonly apps?: readonly ApiObject[];
  readonly fns?: readonly ApiObject[];
  readonly triggers?: readonly ApiObject[];
}

type ApiObject = Readonly<Record<string, unknown>> & { readonly id: string };

/** Serves the four reads of a balancer over real HTTP. */
export class FakeApiNode {
  /** Methods and targets of the requests received, in order. */
  readonly requests: string[] = [];
  /** Statuses for the next requests, instead of contents. */
  readonly failures: number[] = [];
  /** Handles a request instead of the node; returns false if it does not. */
  instead: (target: string, res: ServerResponse) => boolean = () => false;
  /** While set, responses wait for it. */
  gate: Promise<void> | undefined;
  private readonly server = createServer((req, res) => void this.answer(req, res));

  private constructor(readonly contents: ApiContents) {}

  static async start(contents: ApiContents): Promise<FakeApiNode> {
    const node = new FakeApiNode(contents);
    await new Promise<void>((resolve) => node.server.listen(0, '127.0.0.1', resolve));
    return node;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  private async answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    // Like an API node of Fn, it has no change feed.
    if (req.url === '/v2/changes')
      return void res.writeHead(404).end('{"message":"Path not found: GET /v2/changes"}\n');
    this.requests.push(`${req.method} ${req.url}`);
    await this.gate;
    if (this.instead(req.url ?? '', res)) return;
    const failure = this.failures.shift();
    const found = failure === undefined ? this.find(req.url ?? '') : undefined;
    const status = failure ?? (found === undefined ? 404 : 200);
    res.writeHead(status, { 'Content-Type': 'application/json' });
    res.end(JSON.stringify(found ?? { message: `answer ${status}` }));
  }

  private find(target: string): unknown {
    const { apps = [], fns = [], triggers = [] } = this.contents;
    const { pathname, searchParams } = new URL(`http://host${target}`);
    if (pathname === '/v2/apps') return { items: apps.filter((app) => app.name === searchParams.get('name')) };
    const [, kind, id] = /^\/v2\/(apps|fns)\/([^/]+)$/.exec(pathname) ?? [];
    if (kind) return (kind === 'apps' ? apps : fns).find((object) => object.id === id);
    // After `http/` comes the source, which begins with a slash.
    const [, appId, source] = /^\/v2\/runner\/apps\/([^/]+)\/triggerBySource\/http\/(\/.*)$/.exec(pathname) ?? [];
    return triggers.find((trigger) => trigger.app_id === appId && trigger.source === decodeURIComponent(source ?? ''));
  }
}
