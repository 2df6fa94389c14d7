import type { Fetch } from './access/secure-fetch.js';

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
    private readonly fetch: Fetch = globalThis.fetch,
  ) {}

  findApp(name: string): Promise<AppRef | undefined> {
    return this.first<AppRef>(`/v2/apps?name=${encodeURIComponent(name)}`);
  }

  createApp(name: string): Promise<AppRef> {
    return this.request<AppRef>('POST', '/v2/apps', { name });
  }

  findFn(appId: string, name: string): Promise<FnRef | undefined> {
    return this.first<FnRef>(`/v2/fns?app_id=${encodeURIComponent(appId)}&name=${encodeURIComponent(name)}`);
  }

  /** Undefined when there is none with this id. */
  async getFn(id: string): Promise<FnRef | undefined> {
    const { status, answer } = await this.exchange<FnRef>('GET', `/v2/fns/${encodeURIComponent(id)}`);
    return status === 404 ? undefined : answer();
  }

  createFn(appId: string, spec: FnSpec): Promise<FnRef> {
    return this.request<FnRef>('POST', '/v2/fns', { ...spec, app_id: appId });
  }

  updateFn(id: string, spec: FnSpec): Promise<FnRef> {
    return this.request<FnRef>('PUT', `/v2/fns/${encodeURIComponent(id)}`, spec);
  }

  findTrigger({ app_id, id }: FnRef, name: string): Promise<TriggerRef | undefined> {
    const query = new URLSearchParams({ app_id, fn_id: id, name });
    return this.first<TriggerRef>(`/v2/triggers?${query}`);
  }

  createTrigger({ app_id, id }: FnRef, spec: TriggerSpec): Promise<TriggerRef> {
    return this.request<TriggerRef>('POST', '/v2/triggers', { ...spec, app_id, fn_id: id });
  }

  async updateTrigger(id: string, { source }: TriggerSpec): Promise<TriggerRef> {
    const path = `/v2/triggers/${encodeURIComponent(id)}`;
    await this.request('PUT', path, { source });
    // What a PUT answers has no endpoint.
    return this.request<TriggerRef>('GET', path);
  }

  private async first<T>(path: string): Promise<T | undefined> {
    return (await this.request<{ items: T[] }>('GET', path)).items[0];
  }

  private async request<T>(method: string, path: string, body?: unknown): Promise<T> {
    return (await this.exchange<T>(method, path, body)).answer();
  }

  /** `answer` throws when the status is that of an error. */
  private async exchange<T>(method: string, path: string, body?: unknown): Promise<{ status: number; answer(): T }> {
    let response: Response;
    try {
      response = await this.fetch(this.url + path, {
        method,
        headers: body === undefined ? {} : { 'content-type': 'application/json' },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch (error) {
      throw new Error(`no API node answers at ${this.url} (set FN_API_URL or --api)`, {
        cause: (error as Error).cause,
      });
    }
    const { ok, status, statusText } = response;
    const received: unknown = await response.json().catch(() => ({}));
    return {
      status,
      answer() {
        if (ok) return received as T;
        const message = (received as { message?: string }).message ?? statusText;
        throw new Error(`${method} ${path}: ${status} ${message}`);
      },
    };
  }
}
