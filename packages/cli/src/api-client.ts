import { MIB } from '@fnfleet/core';
import { ANYTHING, type OfShape, readJson, type Shape } from '@fnfleet/operator-api';
import { messageIn, readAnswer } from './access/read-answer.js';
import { type Fetch, plainFetch } from './access/secure-fetch.js';

const TIMEOUT_MS = 30_000;
/** The page size; an API node allows no more. */
const PAGE = 100;
/** Maximum pages of a list: a server that sends more is not an API node. */
const MAX_PAGES = 1000;
const MAX_LIST_BYTES = 128 * MIB;

const ANNOTATIONS: Shape = { optional: { fields: {} } };
const CONFIG: Shape = { orNull: { mapOf: 'string' } };
const NUMBER: Shape = { optional: 'number' };
const APP: Shape = {
  fields: {
    id: 'string',
    name: 'string',
    updated_at: { optional: 'string' },
    shape: { optional: 'string' },
    syslog_url: { optional: 'string' },
    config: CONFIG,
    annotations: ANNOTATIONS,
  },
};
const FN: Shape = {
  fields: {
    id: 'string',
    app_id: 'string',
    name: 'string',
    updated_at: { optional: 'string' },
    image: 'string',
    memory: NUMBER,
    timeout: NUMBER,
    idle_timeout: NUMBER,
    config: CONFIG,
    annotations: ANNOTATIONS,
  },
};
const TRIGGER: Shape = {
  fields: {
    id: 'string',
    name: 'string',
    updated_at: { optional: 'string' },
    fn_id: 'string',
    type: { optional: 'string' },
    source: 'string',
    annotations: ANNOTATIONS,
    next_fire_at: { optional: 'string' },
  },
};

const CALL_FIELDS = {
  id: 'string',
  status: 'string',
  attempts: 'number',
  created_at: 'string',
  started_at: 'string',
  completed_at: 'string',
  error: { optional: 'string' },
  app_id: 'string',
  fn_id: 'string',
  type: { optional: 'string' },
} as const;
const CONTENT = { encoding: 'string', body: 'string', size: 'number' } as const;
const CALL_LINE = { fields: CALL_FIELDS } as const satisfies Shape;
const CALL = {
  fields: {
    ...CALL_FIELDS,
    // Not of release 0.2.0.
    priority: { optional: 'number' },
    failures: { optional: 'number' },
    next_attempt_at: { optional: 'string' },
    history: {
      list: {
        fields: {
          attempt: 'number',
          balancer: 'string',
          started_at: 'string',
          ended_at: 'string',
          end: 'string',
          error: { optional: 'string' },
        },
      },
    },
    result: { optional: { fields: { status: 'number', ...CONTENT } } },
    request: { optional: { fields: { method: 'string', url: 'string', ...CONTENT } } },
    callbacks: { optional: { list: CALL_LINE } },
  },
} as const satisfies Shape;
const CHANGED: Shape = { fields: { changed: 'number' } };
/** For requests that change all dead letters of a function. */
const CHANGE_TIMEOUT_MS = 600_000;

/** An asynchronous call in a list. */
export type CallLine = OfShape<typeof CALL_LINE>;
/** An asynchronous call with its history; `result` if it succeeded, `request` if it is a dead letter. */
export type CallRef = OfShape<typeof CALL>;

const REVISION: Shape = { fields: { updated_at: { optional: 'string' } } };

/** When a resource was last changed. */
export interface Revision {
  readonly updated_at?: string;
}

export type Config = Readonly<Record<string, string>>;
export type Annotations = Readonly<Record<string, unknown>>;

/** An app as an API node returns it. It has all other fields too. */
export interface AppRef extends Revision {
  readonly id: string;
  readonly name: string;
  readonly shape?: string;
  readonly syslog_url?: string;
  /** Null or missing if the app has none. */
  readonly config?: Config | null;
  readonly annotations?: Annotations;
}

export interface FnRef extends Revision {
  readonly id: string;
  readonly app_id: string;
  readonly name: string;
  readonly image: string;
  readonly memory?: number;
  readonly timeout?: number;
  readonly idle_timeout?: number;
  readonly config?: Config | null;
  readonly annotations?: Annotations;
}

export interface FnSpec {
  readonly name: string;
  readonly image: string;
  readonly memory?: number;
  readonly timeout?: number;
  readonly idle_timeout?: number;
  readonly config?: Config;
  readonly annotations?: Annotations;
}

export type TriggerType = 'http' | 'schedule';

export interface TriggerSpec {
  readonly name: string;
  readonly type: TriggerType;
  /** Path below `/t/<app>`, with its slash; of a schedule, its cron expression. */
  readonly source: string;
  readonly annotations?: Annotations;
}

export interface TriggerRef extends Revision {
  readonly id: string;
  readonly name: string;
  readonly fn_id: string;
  readonly type?: string;
  readonly source: string;
  readonly annotations?: Annotations;
  /** Missing if it is no schedule, or does not fire any more. */
  readonly next_fire_at?: string;
}

/** The requests to an API node that commands need. In a change, an empty string in a map removes the key. */
export class ApiClient {
  /** @param fetch sends the credentials along */
  constructor(
    private readonly url: string,
    private readonly fetch: Fetch = plainFetch,
    private readonly timeoutMs = TIMEOUT_MS,
  ) {}

  /** @returns undefined if the id is unknown */
  getApp(id: string): Promise<AppRef | undefined> {
    return this.byId<AppRef>('apps', id, APP);
  }

  findApp(name: string): Promise<AppRef | undefined> {
    return this.first<AppRef>(`/v2/apps?${new URLSearchParams({ name })}`, APP);
  }

  listApps(): Promise<AppRef[]> {
    return this.list<AppRef>('/v2/apps', {}, APP);
  }

  /** @param more initial values of other fields */
  createApp(name: string, more: object = {}): Promise<AppRef> {
    return this.request<AppRef>('POST', '/v2/apps', APP, { name, ...more });
  }

  updateApp(id: string, change: object, seen?: Revision): Promise<AppRef> {
    return this.change<AppRef>('PUT', pathOf('apps', id), APP, seen, change);
  }

  deleteApp(id: string): Promise<void> {
    return this.change('DELETE', pathOf('apps', id), 'nothing');
  }

  findFn(appId: string, name: string): Promise<FnRef | undefined> {
    return this.first<FnRef>(`/v2/fns?${new URLSearchParams({ app_id: appId, name })}`, FN);
  }

  listFns(appId: string): Promise<FnRef[]> {
    return this.list<FnRef>('/v2/fns', { app_id: appId }, FN);
  }

  /** @returns undefined if the id is unknown */
  getFn(id: string): Promise<FnRef | undefined> {
    return this.byId<FnRef>('fns', id, FN);
  }

  createFn(appId: string, spec: FnSpec): Promise<FnRef> {
    return this.request<FnRef>('POST', '/v2/fns', FN, { ...spec, app_id: appId });
  }

  updateFn(id: string, change: Partial<FnSpec>, seen?: Revision): Promise<FnRef> {
    return this.change<FnRef>('PUT', pathOf('fns', id), FN, seen, change);
  }

  deleteFn(id: string, seen?: Revision): Promise<void> {
    return this.change('DELETE', pathOf('fns', id), 'nothing', seen);
  }

  findTrigger({ app_id, id }: FnRef, name: string): Promise<TriggerRef | undefined> {
    return this.first<TriggerRef>(`/v2/triggers?${new URLSearchParams({ app_id, fn_id: id, name })}`, TRIGGER);
  }

  /** @param filter `fn_id`: only the triggers of this function */
  listTriggers(appId: string, filter: { readonly fn_id?: string } = {}): Promise<TriggerRef[]> {
    return this.list<TriggerRef>('/v2/triggers', { app_id: appId, ...filter }, TRIGGER);
  }

  createTrigger({ app_id, id }: FnRef, spec: TriggerSpec): Promise<TriggerRef> {
    return this.request<TriggerRef>('POST', '/v2/triggers', TRIGGER, { ...spec, app_id, fn_id: id });
  }

  async updateTrigger(id: string, change: Partial<TriggerSpec>, seen?: Revision): Promise<TriggerRef> {
    const path = pathOf('triggers', id);
    await this.change('PUT', path, ANYTHING, seen, change);
    // The answer to a PUT lacks the endpoint, so read it again.
    return this.request<TriggerRef>('GET', path, TRIGGER);
  }

  deleteTrigger(id: string, seen?: Revision): Promise<void> {
    return this.change('DELETE', pathOf('triggers', id), 'nothing', seen);
  }

  /**
   * Reads asynchronous calls, newest first.
   * @param fnId undefined: of all functions
   * @param most maximum number of calls
   * @param type `callback`: those that follow the calls of the function
   */
  async listCalls(
    fnId: string | undefined,
    status: string | undefined,
    most: number,
    type?: 'callback',
  ): Promise<CallLine[]> {
    const path = fnId === undefined ? '/v2/calls' : `${pathOf('fns', fnId)}/calls`;
    const page: Shape = { fields: { items: { list: CALL_LINE }, next_cursor: { optional: 'string' } } };
    const calls: CallLine[] = [];
    let cursor: string | undefined;
    // A page may be empty although another one follows.
    for (let pages = 0; pages < MAX_PAGES && calls.length < most; pages += 1) {
      const query = new URLSearchParams({
        per_page: `${Math.min(PAGE, most - calls.length)}`,
        ...(status === undefined ? {} : { status }),
        ...(type === undefined ? {} : { type }),
        ...(cursor === undefined ? {} : { cursor }),
      });
      const { items, next_cursor: next } = await this.request<{ items: CallLine[]; next_cursor?: string }>(
        'GET',
        `${path}?${query}`,
        page,
      );
      calls.push(...items.slice(0, most - calls.length));
      if (!next || next === cursor) break;
      cursor = next;
    }
    return calls;
  }

  /** @returns undefined if the id is unknown */
  getCall(id: string): Promise<CallRef | undefined> {
    return this.byId<CallRef>('calls', id, CALL);
  }

  /** The keys that sign the callbacks of a function, the newest first. */
  async callbackKeys({ id }: FnRef): Promise<readonly string[]> {
    const shape: Shape = { fields: { keys: { list: 'string' } } };
    return (await this.request<{ keys: string[] }>('GET', `${pathOf('fns', id)}/callbacks/keys`, shape)).keys;
  }

  /** What the function has printed in an asynchronous call. */
  callLog({ fn_id, id }: CallLine): Promise<{ readonly call_id: string; readonly log: string }> {
    const shape: Shape = { fields: { call_id: 'string', log: 'string' } };
    return this.request('GET', `${pathOf('fns', fn_id)}/calls/${encodeURIComponent(id)}/log`, shape);
  }

  cancelCall({ fn_id, id }: CallLine): Promise<void> {
    return this.change('DELETE', `${pathOf('fns', fn_id)}/calls/${encodeURIComponent(id)}`, 'nothing');
  }

  /**
   * Makes dead letters of a function ready again, or removes them.
   * @param callId only this one @returns how many
   */
  async changeDead(action: 'redrive' | 'purge', fnId: string, callId?: string): Promise<number> {
    const path = `${pathOf('fns', fnId)}/dead/${action}`;
    const timeoutMs = Math.max(this.timeoutMs, CHANGE_TIMEOUT_MS);
    const body = callId === undefined ? {} : { call_id: callId };
    return (await this.exchange<{ changed: number }>('POST', path, CHANGED, body, {}, timeoutMs)).answer().changed;
  }

  private async list<T>(path: string, filter: Readonly<Record<string, string>>, shape: Shape): Promise<T[]> {
    const items: T[] = [];
    const page: Shape = { fields: { items: { list: shape }, next_cursor: { optional: 'string' } } };
    let cursor = '';
    let bytes = 0;
    for (let pages = 0; pages < MAX_PAGES && bytes < MAX_LIST_BYTES; pages += 1) {
      const query = new URLSearchParams({ ...filter, per_page: `${PAGE}`, ...(cursor === '' ? {} : { cursor }) });
      const { size, answer } = await this.exchange<{ items: T[]; next_cursor?: string }>(
        'GET',
        `${path}?${query}`,
        page,
      );
      const { items: more, next_cursor: next = '' } = answer();
      items.push(...more);
      if (next === '') return items;
      if (next === cursor) break;
      bytes += size;
      cursor = next;
    }
    throw new Error(`GET ${path}: the list never ends, so the server at ${this.url} is not an API node`);
  }

  /** @param seen refuses to change anything newer, so that nobody else's change is lost */
  private async change<T>(
    method: string,
    path: string,
    shape: Shape | 'nothing',
    seen?: Revision,
    body?: unknown,
  ): Promise<T> {
    const headers = seen?.updated_at === undefined ? {} : await this.conditionOf(path, seen.updated_at);
    return (await this.exchange<T>(method, path, shape, body, headers)).answer();
  }

  /** An API node of Fn has no entity tags; there, only the time of the last change is compared. */
  private async conditionOf(path: string, updatedAt: string): Promise<Readonly<Record<string, string>>> {
    const { answer, etag } = await this.exchange<Revision>('GET', path, REVISION);
    if (answer().updated_at !== updatedAt) {
      throw new Error(`${path} has changed since it was read; run the command again`);
    }
    return etag === null ? {} : { 'if-match': etag };
  }

  private async byId<T>(kind: string, id: string, shape: Shape): Promise<T | undefined> {
    const { status, answer } = await this.exchange<T>('GET', pathOf(kind, id), shape);
    return status === 404 ? undefined : answer();
  }

  private async first<T>(path: string, shape: Shape): Promise<T | undefined> {
    return (await this.request<{ items: T[] }>('GET', path, { fields: { items: { list: shape } } })).items[0];
  }

  private async request<T>(method: string, path: string, shape: Shape, body?: unknown): Promise<T> {
    return (await this.exchange<T>(method, path, shape, body)).answer();
  }

  /** `answer` throws for an error status, or if the answer is not that of an API node. */
  private async exchange<T>(
    method: string,
    path: string,
    shape: Shape | 'nothing',
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
    timeoutMs = this.timeoutMs,
  ): Promise<{ status: number; size: number; etag: string | null; answer(): T }> {
    const answer = await readAnswer(this.fetch, this.url + path, {
      method,
      headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
      timeoutMs,
    }).catch((error: Error) => {
      throw new Error(`no API node answers at ${this.url} (set FN_API_URL or --api)`, { cause: error });
    });
    const { ok, status } = answer;
    return {
      status,
      size: answer.body.length,
      etag: answer.headers.get('etag'),
      answer: () => {
        if (!ok) throw new Error(`${method} ${path}: ${status} ${messageIn(answer)}`);
        if (shape === 'nothing') return undefined as T;
        const value = readJson<T>(answer.body, shape);
        if (value !== undefined) return value;
        throw new Error(`${method} ${path}: the server at ${this.url} is not an API node`);
      },
    };
  }
}

function pathOf(kind: string, id: string): string {
  return `/v2/${kind}/${encodeURIComponent(id)}`;
}

/** @throws Error if the API node does not know the asynchronous call */
export async function findCall(api: ApiClient, id: string): Promise<CallRef> {
  const call = await api.getCall(id);
  if (call === undefined) throw new Error(`this API node knows no asynchronous call ${id}, or has forgotten it`);
  return call;
}

/** @throws Error if there is no app of this name */
export async function findApp(api: ApiClient, name: string): Promise<AppRef> {
  const app = await api.findApp(name);
  if (app === undefined) throw new Error(`there is no app ${name}`);
  return app;
}

/**
 * Finds a function by its name within an app or, without an app, by its id.
 * @throws Error that says what does not exist
 */
export async function findFunction(api: ApiClient, appName: string | undefined, nameOrId: string): Promise<FnRef> {
  if (appName === undefined) {
    const fn = await api.getFn(nameOrId);
    if (fn === undefined) {
      throw new Error(`there is no function with the id ${nameOrId}; to find it by name, name its app as well`);
    }
    return fn;
  }
  const app = await findApp(api, appName);
  const fn = await api.findFn(app.id, nameOrId);
  if (fn === undefined) throw new Error(`app ${appName} has no function ${nameOrId}`);
  return fn;
}
