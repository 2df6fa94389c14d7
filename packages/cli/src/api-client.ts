import { readJson, type Shape } from './access/json-shape.js';
import { messageIn, readAnswer } from './access/read-answer.js';
import { type Fetch, plainFetch } from './access/secure-fetch.js';

const TIMEOUT_MS = 30_000;

const APP: Shape = { fields: { id: 'string', name: 'string' } };
const ANNOTATIONS: Shape = { optional: { fields: {} } };
const FN: Shape = {
  fields: { id: 'string', app_id: 'string', name: 'string', image: 'string', annotations: ANNOTATIONS },
};
const TRIGGER: Shape = { fields: { id: 'string', name: 'string', annotations: ANNOTATIONS } };
const ANYTHING: Shape = { fields: {} };

/** The few requests to an API node that the command needs. */
export interface AppRef {
  readonly id: string;
  readonly name: string;
}

export interface FnRef {
  readonly id: string;
  readonly app_id: string;
  readonly name: string;
  readonly image: string;
  readonly annotations?: Readonly<Record<string, unknown>>;
}

export interface FnSpec {
  readonly name: string;
  readonly image: string;
  readonly memory?: number;
  readonly timeout?: number;
  readonly idle_timeout?: number;
  readonly config?: Readonly<Record<string, string>>;
}

export interface TriggerSpec {
  readonly name: string;
  readonly type: 'http';
  /** Path below `/t/<app>`, with its slash. */
  readonly source: string;
}

export interface TriggerRef {
  readonly id: string;
  readonly name: string;
  readonly annotations?: Readonly<Record<string, unknown>>;
}

export class ApiClient {
  /** @param fetch shows what lets us in */
  constructor(
    private readonly url: string,
    private readonly fetch: Fetch = plainFetch,
  ) {}

  findApp(name: string): Promise<AppRef | undefined> {
    return this.first<AppRef>(`/v2/apps?name=${encodeURIComponent(name)}`, APP);
  }

  createApp(name: string): Promise<AppRef> {
    return this.request<AppRef>('POST', '/v2/apps', APP, { name });
  }

  findFn(appId: string, name: string): Promise<FnRef | undefined> {
    return this.first<FnRef>(`/v2/fns?app_id=${encodeURIComponent(appId)}&name=${encodeURIComponent(name)}`, FN);
  }

  /** Undefined when there is none with this id. */
  async getFn(id: string): Promise<FnRef | undefined> {
    const { status, answer } = await this.exchange<FnRef>('GET', `/v2/fns/${encodeURIComponent(id)}`, FN);
    return status === 404 ? undefined : answer();
  }

  createFn(appId: string, spec: FnSpec): Promise<FnRef> {
    return this.request<FnRef>('POST', '/v2/fns', FN, { ...spec, app_id: appId });
  }

  updateFn(id: string, spec: FnSpec): Promise<FnRef> {
    return this.request<FnRef>('PUT', `/v2/fns/${encodeURIComponent(id)}`, FN, spec);
  }

  findTrigger({ app_id, id }: FnRef, name: string): Promise<TriggerRef | undefined> {
    const query = new URLSearchParams({ app_id, fn_id: id, name });
    return this.first<TriggerRef>(`/v2/triggers?${query}`, TRIGGER);
  }

  createTrigger({ app_id, id }: FnRef, spec: TriggerSpec): Promise<TriggerRef> {
    return this.request<TriggerRef>('POST', '/v2/triggers', TRIGGER, { ...spec, app_id, fn_id: id });
  }

  async updateTrigger(id: string, { source }: TriggerSpec): Promise<TriggerRef> {
    const path = `/v2/triggers/${encodeURIComponent(id)}`;
    await this.request('PUT', path, ANYTHING, { source });
    // What a PUT answers has no endpoint.
    return this.request<TriggerRef>('GET', path, TRIGGER);
  }

  private async first<T>(path: string, shape: Shape): Promise<T | undefined> {
    return (await this.request<{ items: T[] }>('GET', path, { fields: { items: { list: shape } } })).items[0];
  }

  private async request<T>(method: string, path: string, shape: Shape, body?: unknown): Promise<T> {
    return (await this.exchange<T>(method, path, shape, body)).answer();
  }

  /** `answer` throws when the status is that of an error, or the answer not that of an API node. */
  private async exchange<T>(
    method: string,
    path: string,
    shape: Shape,
    body?: unknown,
  ): Promise<{ status: number; answer(): T }> {
    const answer = await readAnswer(this.fetch, this.url + path, {
      method,
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
      timeoutMs: TIMEOUT_MS,
    }).catch((error: Error) => {
      throw new Error(`no API node answers at ${this.url} (set FN_API_URL or --api)`, { cause: error });
    });
    const { ok, status } = answer;
    return {
      status,
      answer: () => {
        if (!ok) throw new Error(`${method} ${path}: ${status} ${messageIn(answer)}`);
        const value = readJson<T>(answer.body, shape);
        if (value !== undefined) return value;
        throw new Error(`${method} ${path}: what answers at ${this.url} is not an API node`);
      },
    };
  }
}
