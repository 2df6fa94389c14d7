import { readSettings } from '@fnfleet/core';
import { type ApiServer, type ApiServerOptions, newApiServer } from '../api-server.js';
import { apiSettings } from '../settings.js';
import { DescribedAnswers } from './described-answers.js';
import { sqliteInMemory, type TestDatabase, testDatabase } from './test-database.js';

/** Every response in the suites is what the OpenAPI document says. */
export const describedAnswers = new DescribedAnswers();

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed body; an empty object if there is none. */
  readonly body: Record<string, unknown>;
}

/** An API node on a free port with an empty datastore, and a client for it. */
export class TestApi {
  private constructor(
    readonly server: ApiServer,
    private readonly database: TestDatabase,
    /** What hooks of an embedder raise is not described. */
    private readonly isDescribed: boolean,
  ) {}

  static async start(options: Partial<ApiServerOptions> & { env?: Record<string, string> } = {}): Promise<TestApi> {
    const { env, ...rest } = options;
    const database = await testDatabase(sqliteInMemory);
    const settings = readSettings(apiSettings, { FN_DB_URL: database.url, ...env });
    const server = newApiServer({ settings, host: '127.0.0.1', port: 0, ...rest });
    await server.ready;
    return new TestApi(server, database, rest.listeners === undefined);
  }

  get url(): string {
    return this.server.address.url;
  }

  get host(): string {
    return new URL(this.url).host;
  }

  /** @param body a string is sent unchanged, anything else as JSON */
  async send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer> {
    const response = await fetch(this.url + path, {
      method,
      headers,
      body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
      redirect: 'manual',
    });
    const text = await response.text();
    const { status } = response;
    const hasOrigin = headers?.origin !== undefined;
    if (this.isDescribed) describedAnswers.check({ method, path, hasOrigin, status, headers: response.headers, text });
    const isJson = response.headers.get('content-type')?.startsWith('application/json') && text !== '';
    return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : {} };
  }

  get = (path: string) => this.send('GET', path);
  post = (path: string, body: unknown) => this.send('POST', path, body);
  put = (path: string, body: unknown) => this.send('PUT', path, body);
  delete = (path: string) => this.send('DELETE', path);

  /** Creates a resource that a test needs. @returns its id */
  async made(path: string, body: object): Promise<string> {
    const answer = await this.post(path, body);
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${answer.text}`);
    return String(answer.body.id);
  }

  app = (name: string, more: object = {}) => this.made('/v2/apps', { name, ...more });
  fn = (appId: string, name: string, more: object = {}) =>
    this.made('/v2/fns', { name, app_id: appId, image: 'img:1', ...more });
  trigger = (appId: string, fnId: string, name: string, source: string) =>
    this.made('/v2/triggers', { name, app_id: appId, fn_id: fnId, type: 'http', source });

  async close(): Promise<void> {
    await this.server.close();
    await this.database.remove();
  }
}

/** The complete expected error response, as the specification words it. */
export function err(status: number, message: string | RegExp): object {
  return {
    status,
    text: typeof message === 'string' ? `${JSON.stringify({ message })}\n` : expect.stringMatching(message),
  };
}
