import { connect } from 'node:net';
import { readSettings } from '@fnfleet/core';
import { newStaticRunnerPool } from '@fnfleet/discovery';
import { httpSettings } from '@fnfleet/http';
import { FakeRunner } from '@fnfleet/placement';
import { Agent, type Dispatcher, request } from 'undici';
import { type LbServer, type LbServerOptions, newLbServer } from '../http/lb-server.js';
import { lbSettings } from '../settings.js';
import { type ApiContents, FakeApiNode } from './fake-api-node.js';

/** One app with one function and one trigger, which most tests use. */
export const CONTENTS: ApiContents = {
  apps: [{ id: 'app1', name: 'shop', config: { A: '1', B: '1' }, annotations: { both: 'app', app: 'x' } }],
  fns: [
    {
      id: 'fn1',
      name: 'cart',
      app_id: 'app1',
      image: 'shop/cart:1',
      memory: 128,
      timeout: 30,
      idle_timeout: 30,
      config: { B: '2', FN_MEMORY: '9' },
      annotations: { both: 'fn' },
    },
  ],
  triggers: [
    { id: 'trigger1', name: 'hot', app_id: 'app1', fn_id: 'fn1', type: 'http', source: '/hot' },
    { id: 'trigger2', name: 'root', app_id: 'app1', fn_id: 'fn1', type: 'http', source: '/' },
    { id: 'trigger3', name: 'nested', app_id: 'app1', fn_id: 'fn1', type: 'http', source: '/a/b c' },
  ],
};

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface RequestOptions {
  readonly method?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: Dispatcher.DispatchOptions['body'];
  readonly signal?: AbortSignal;
}

export interface FleetOptions extends Partial<LbServerOptions> {
  readonly contents?: ApiContents;
  readonly env?: Record<string, string>;
}

/** A load balancer on a real port, with a fake API node and fake runners. */
export class TestFleet {
  private client = new Agent({ pipelining: 1 });

  private constructor(
    readonly api: FakeApiNode,
    readonly server: LbServer,
  ) {}

  static async start(runners: readonly FakeRunner[], options: FleetOptions = {}): Promise<TestFleet> {
    const { contents = CONTENTS, env = {}, ...overrides } = options;
    const api = await FakeApiNode.start(contents);
    const byAddress = new Map(runners.map((runner) => [runner.address, runner]));
    const settings = readSettings(
      { ...httpSettings, ...lbSettings },
      { FN_RUNNER_API_URL: api.url, FN_RUNNER_ADDRESSES: 'in.the.pool:9190', FN_ASYNC_CONSUMERS: '0', ...env },
    );
    try {
      const server = newLbServer({
        settings,
        host: '127.0.0.1',
        port: 0,
        placer: { order: (_call, { candidates }) => candidates },
        pool: newStaticRunnerPool(
          [...byAddress.keys()],
          (address) => byAddress.get(address) ?? new FakeRunner(address),
        ),
        ...overrides,
      });
      await server.ready;
      return new TestFleet(api, server);
    } catch (error) {
      await api.close();
      throw error;
    }
  }

  get url(): string {
    return this.server.address.url;
  }

  /** Sends a request unchanged, and returns the raw response. */
  async send(path: string, options: RequestOptions = {}): Promise<Answer> {
    const { method = 'POST', headers, body, signal } = options;
    const answer = await request(`${this.url}${path}`, {
      method: method as Dispatcher.HttpMethod,
      headers,
      body,
      signal,
      dispatcher: this.client,
    });
    return { status: answer.statusCode, headers: answer.headers, body: await answer.body.text() };
  }

  /** Sends raw bytes on a new connection, and returns everything received until it closes. */
  raw(request: string, port = this.server.address.port): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(request, 'latin1'));
      let received = '';
      socket.setEncoding('latin1');
      socket.on('data', (text) => {
        received += text;
      });
      socket.on('error', reject);
      socket.on('close', () => resolve(received));
    });
  }

  /** Closes the connections of all clients, even those with pending responses. */
  async hangUp(): Promise<void> {
    await this.client.destroy();
    this.client = new Agent({ pipelining: 1 });
  }

  async close(): Promise<void> {
    await this.client.destroy();
    await this.server.close();
    await this.api.close();
  }
}
