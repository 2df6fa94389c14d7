import {
  type App,
  CallTemplate,
  type Clock,
  type Fn,
  FnError,
  parseApp,
  parseFn,
  parseTrigger,
  type Trigger,
} from '@fnfleet/core';
import { ApiClient, type ApiClientOptions } from './api-client.js';
import { type Fetch, LookupCache, type LookupCacheOptions } from './lookup-cache.js';

/** Finds what a request names. An embedder may have its own way. */
export interface FunctionLookup {
  /** @throws FnError `fnNotFound`, `appNotFound`, `lookupUnavailable` */
  byId(fnId: string, signal: AbortSignal): Promise<CallTemplate>;
  /** @throws FnError `appNotFound`, `triggerNotFound`, `fnNotFound`, `lookupUnavailable` */
  byTrigger(appName: string, source: string, signal: AbortSignal): Promise<TriggeredFunction>;
  close(): Promise<void>;
}

export interface TriggeredFunction {
  readonly template: CallTemplate;
  readonly triggerId: string;
}

const CACHE: LookupCacheOptions = { ttlMs: 5000, missTtlMs: 1000, maxEntries: 10_000, fetchTimeoutMs: 60_000 };

/** No id or name is longer. Asking for one would only cost the api node. */
const MAX_NAME_BYTES = 255;

/** Looks functions up at an api node, with a cache: a change there is seen after 5 seconds, a new function after one. */
export function newApiLookup(apiUrl: string, options: ApiClientOptions): FunctionLookup {
  return new ApiLookup(new ApiClient(apiUrl, options), options.clock);
}

class ApiLookup implements FunctionLookup {
  private readonly appIds: LookupCache<string>;
  private readonly apps: LookupCache<App>;
  private readonly fns: LookupCache<Fn>;
  private readonly triggers: LookupCache<Trigger>;
  private readonly templates = new WeakMap<Fn, CallTemplate>();

  constructor(
    private readonly api: ApiClient,
    clock: Clock,
  ) {
    const cached = <V>(fetch: Fetch<V>) => new LookupCache<V>(fetch, CACHE, clock);
    this.appIds = cached(async (name, signal) => {
      const found = firstId(await this.read(`apps?name=${encodeURIComponent(name)}`, signal));
      return found ?? notFound('appNotFound');
    });
    this.apps = cached(async (id, signal) => {
      const json = await this.read(`apps/${encodeURIComponent(id)}`, signal);
      return json === undefined ? notFound('appNotFound') : understood(parseApp, json);
    });
    this.fns = cached(async (id, signal) => {
      const json = await this.read(`fns/${encodeURIComponent(id)}`, signal);
      return json === undefined ? notFound('fnNotFound') : understood(parseFn, json);
    });
    this.triggers = cached(async (key, signal) => {
      const [appId = '', source = ''] = splitKey(key);
      // The source begins with a slash of its own, and the api node wants both.
      const path = `runner/apps/${encodeURIComponent(appId)}/triggerBySource/http/${encodePath(source)}`;
      const json = await this.read(path, signal);
      return json === undefined ? notFound('triggerNotFound') : understood(parseTrigger, json);
    });
  }

  async byId(fnId: string, signal: AbortSignal): Promise<CallTemplate> {
    if (Buffer.byteLength(fnId) > MAX_NAME_BYTES) notFound('fnNotFound');
    const knownFn = this.fns.get(fnId, signal);
    const fn = knownFn instanceof Promise ? await knownFn : knownFn;
    const knownApp = this.apps.get(fn.appId, signal);
    const app = knownApp instanceof Promise ? await knownApp : knownApp;
    let template = this.templates.get(fn);
    if (template?.app !== app) {
      template = new CallTemplate(app, fn);
      this.templates.set(fn, template);
    }
    return template;
  }

  async byTrigger(appName: string, source: string, signal: AbortSignal): Promise<TriggeredFunction> {
    if (Buffer.byteLength(appName) > MAX_NAME_BYTES) notFound('appNotFound');
    const appId = await this.appIds.get(appName, signal);
    const trigger = await this.triggers.get(`${appId}\0${source}`, signal);
    return { template: await this.byId(trigger.fnId, signal), triggerId: trigger.id };
  }

  async close(): Promise<void> {
    for (const cache of [this.appIds, this.apps, this.fns, this.triggers]) cache.close();
    await this.api.close();
  }

  private read(path: string, signal: AbortSignal): Promise<string | undefined> {
    return this.api.read(`/v2/${path}`, signal);
  }
}

function splitKey(key: string): [string, string] {
  const at = key.indexOf('\0');
  return [key.slice(0, at), key.slice(at + 1)];
}

function encodePath(source: string): string {
  return source.split('/').map(encodeURIComponent).join('/');
}

function firstId(json: string | undefined): string | undefined {
  if (json === undefined) return undefined;
  const { items } = understood((text) => JSON.parse(text) as { items?: { id?: unknown }[] }, json);
  const id = items?.[0]?.id;
  return typeof id === 'string' ? id : undefined;
}

function notFound(code: 'appNotFound' | 'fnNotFound' | 'triggerNotFound'): never {
  throw new FnError(code);
}

/** An answer that cannot be read is the api node's fault, not the client's. */
function understood<T>(parse: (json: string) => T, json: string): T {
  try {
    return parse(json);
  } catch (error) {
    throw new FnError('lookupUnavailable', { cause: error });
  }
}
