import {
  type App,
  CallTemplate,
  type Clock,
  type Fn,
  FnError,
  type InvokeType,
  invokeTypeOf,
  MAX_SOURCE_BYTES,
  type Resource,
  type Trigger,
} from '@fnfleet/core';
import { ApiClient, type ApiClientOptions } from './api-client.js';
import { ApiSource } from './api-source.js';
import type { ApiNodeStatus, ChangeListener, FunctionSource, SourceChange } from './function-source.js';
import { type Fetch, LookupCache, type LookupCacheOptions } from './lookup-cache.js';
import { LookupLanes } from './lookup-lanes.js';

/** Looks up the function that a request names. An embedder may provide its own implementation. */
export interface FunctionLookup extends Resource {
  /** The cached result of `byId`, if there is one. Optional. */
  known?(fnId: string): CallTemplate | undefined;
  /** @throws FnError `fnNotFound`, `appNotFound`, `lookupUnavailable` */
  byId(fnId: string, signal: AbortSignal): Promise<CallTemplate>;
  /** @throws FnError `appNotFound`, `triggerNotFound`, `fnNotFound`, `lookupUnavailable` */
  byTrigger(appName: string, source: string, signal: AbortSignal): Promise<TriggeredFunction>;
  /** The state of the API nodes that functions come from, if there are any. Never rejects. */
  apiNodes?(timeoutMs: number): Promise<readonly ApiNodeStatus[] | undefined>;
}

export interface TriggeredFunction {
  readonly template: CallTemplate;
  readonly triggerId: string;
  /** What the owner of the trigger decided; undefined: the caller decides. */
  readonly invokeType?: InvokeType | undefined;
}

const CACHE: LookupCacheOptions = {
  ttlMs: 5000,
  missTtlMs: 1000,
  maxEntries: 10_000,
  fetchTimeoutMs: 60_000,
};

/** Maximum length of an id or name; longer ones do not exist and are not requested. */
const MAX_NAME_BYTES = 255;

/**
 * Looks up functions at API nodes.
 * @param apiUrls the value of `FN_RUNNER_API_URL`
 * @param ttlMs lifetime of cached values, milliseconds
 */
export function newApiLookup(apiUrls: string, options: ApiClientOptions, ttlMs?: number): CachedLookup {
  return new CachedLookup(new ApiSource(new ApiClient(apiUrls, options)), options.clock, ttlMs);
}

/**
 * A lookup with a cache. A change at the source takes effect after `ttlMs` (5 s by default), a new function after one
 * second, or both immediately after `forget`. While the source does not answer, cached values stay in use. The lookup
 * owns the source and closes it.
 */
export class CachedLookup implements FunctionLookup, ChangeListener {
  private readonly appIds: LookupCache<string>;
  private readonly apps: LookupCache<App>;
  private readonly fns: LookupCache<Fn>;
  private readonly triggers: LookupCache<Trigger>;
  private readonly templates = new WeakMap<Fn, CallTemplate>();

  constructor(
    private readonly source: FunctionSource,
    clock: Clock,
    ttlMs = CACHE.ttlMs,
  ) {
    const options = { ...CACHE, ttlMs };
    const lanes = new LookupLanes();
    const cached = <V>(fetch: Fetch<V>) => new LookupCache<V>(fetch, options, clock, lanes);
    this.appIds = cached((name, signal) => source.appIdByName(name, signal));
    this.apps = cached((id, signal) => source.app(id, signal));
    this.fns = cached((id, signal) => source.fn(id, signal));
    this.triggers = cached((key, signal) => source.trigger(...splitKey(key), signal));
    source.follow?.(this);
  }

  known(fnId: string): CallTemplate | undefined {
    const fn = this.fns.known(fnId);
    const app = fn && this.apps.known(fn.appId);
    return fn && app && this.templateOf(app, fn);
  }

  async byId(fnId: string, signal: AbortSignal): Promise<CallTemplate> {
    if (Buffer.byteLength(fnId) > MAX_NAME_BYTES) throw new FnError('fnNotFound');
    const knownFn = this.fns.get(fnId, signal);
    if (knownFn instanceof Promise) this.prefetchAppOf(fnId);
    const fn = knownFn instanceof Promise ? await knownFn : knownFn;
    const knownApp = this.apps.get(fn.appId, signal);
    const app = knownApp instanceof Promise ? await knownApp : knownApp;
    return this.templateOf(app, fn);
  }

  /** A function never moves to another app, so a known one and its app can be requested in parallel. */
  private prefetchAppOf(fnId: string): void {
    const appId = this.fns.last(fnId)?.appId;
    if (appId !== undefined) this.apps.prefetch(appId);
  }

  private templateOf(app: App, fn: Fn): CallTemplate {
    let template = this.templates.get(fn);
    if (template?.app !== app) {
      template = new CallTemplate(app, fn);
      this.templates.set(fn, template);
    }
    return template;
  }

  async byTrigger(appName: string, source: string, signal: AbortSignal): Promise<TriggeredFunction> {
    if (Buffer.byteLength(appName) > MAX_NAME_BYTES) throw new FnError('appNotFound');
    // A longer name could exceed the limits of the API node, whose error would look like a failure of the platform.
    if (Buffer.byteLength(source) > MAX_SOURCE_BYTES) throw new FnError('triggerNotFound');
    try {
      return await this.triggered(appName, source, signal);
    } catch (error) {
      // App or function may have been recreated under the same name since the lookup.
      const isMissing = error instanceof FnError && error.status === 404;
      if (!isMissing || !(await this.isOutdated(appName, source, signal))) throw error;
      return this.triggered(appName, source, signal);
    }
  }

  private async triggered(appName: string, source: string, signal: AbortSignal): Promise<TriggeredFunction> {
    const appId = await this.appIds.get(appName, signal);
    const trigger = await this.triggers.get(triggerKey(appId, source), signal);
    const template = await this.byId(trigger.fnId, signal);
    if (template.app.id === appId) {
      return { template, triggerId: trigger.id, invokeType: invokeTypeOf(trigger.annotations) };
    }
    const cause = new Error(`the function of trigger ${trigger.id} belongs to another app`);
    throw new FnError('lookupUnavailable', { cause });
  }

  /** Whether the name now refers to another app, or the trigger to another function. */
  private async isOutdated(appName: string, source: string, signal: AbortSignal): Promise<boolean> {
    const appId = this.appIds.last(appName);
    if (appId === undefined) return false;
    try {
      return (
        (await this.appIds.renewed(appName, signal)) || (await this.triggers.renewed(triggerKey(appId, source), signal))
      );
    } catch (error) {
      if (signal.aborted) throw error;
      return false;
    }
  }

  async apiNodes(timeoutMs: number): Promise<readonly ApiNodeStatus[] | undefined> {
    return this.source.apiNodes?.(timeoutMs);
  }

  /** Called when anything may have changed at the source: later lookups ask it, and use cached values if it does not answer. */
  onReset(): void {
    for (const cache of this.caches()) cache.outdateAll();
  }

  /** Called when something has changed at the source: later lookups see the change. What is in use is looked up at once. */
  onChanges(changes: readonly SourceChange[]): void {
    const updated: (() => void)[] = [];
    const gone = { apps: new Set<string>(), fns: new Set<string>(), triggersOf: new Set<string>() };
    const outdate = (cache: LookupCache<unknown>, key: string) => {
      if (cache.outdate(key)) updated.push(() => cache.refetch(key));
    };
    for (const { kind, action, id, appId, name, sources } of changes) {
      const isGone = action === 'deleted';
      if (kind === 'app') {
        // The name of an app never changes, but another app may have it by now.
        if (action !== 'updated') outdate(this.appIds, name);
        if (isGone) this.apps.remove(id);
        else outdate(this.apps, id);
        if (isGone) gone.apps.add(id);
      } else if (kind === 'fn') {
        if (isGone) this.fns.remove(id);
        else outdate(this.fns, id);
        if (isGone) gone.fns.add(id);
      } else {
        for (const source of sources ?? []) {
          if (isGone) this.triggers.remove(triggerKey(appId, source));
          else outdate(this.triggers, triggerKey(appId, source));
        }
        if (sources === undefined) gone.triggersOf.add(appId);
      }
    }
    this.removeParts(gone);
    for (const refetch of updated) refetch();
  }

  /** Removes what belonged to deleted apps and functions, in one pass over the caches. */
  private removeParts({ apps, fns, triggersOf }: Record<'apps' | 'fns' | 'triggersOf', ReadonlySet<string>>): void {
    if (apps.size > 0) this.fns.removeWhere((_id, fn) => fn !== undefined && apps.has(fn.appId));
    if (apps.size + fns.size + triggersOf.size === 0) return;
    this.triggers.removeWhere((key, trigger) => {
      const [appId] = splitKey(key);
      return apps.has(appId) || triggersOf.has(appId) || (trigger !== undefined && fns.has(trigger.fnId));
    });
  }

  /** Called when something has changed at the source: later lookups see the change. */
  forget(): void {
    for (const cache of this.caches()) cache.forget();
  }

  async close(): Promise<void> {
    for (const cache of this.caches()) cache.close();
    await this.source.close();
  }

  private caches() {
    return [this.appIds, this.apps, this.fns, this.triggers];
  }
}

function triggerKey(appId: string, source: string): string {
  return `${appId}\0${source}`;
}

function splitKey(key: string): [string, string] {
  const at = key.indexOf('\0');
  return [key.slice(0, at), key.slice(at + 1)];
}
