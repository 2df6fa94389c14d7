import { type App, type Fn, FnError, parseApp, parseFn, parseTrigger, type Trigger } from '@fnfleet/core';
import type { ApiClient } from './api-client.js';
import type { ApiNodeStatus, FunctionSource } from './function-source.js';

/** Reads functions from an API node. */
export class ApiSource implements FunctionSource {
  constructor(private readonly api: ApiClient) {}

  async appIdByName(name: string, signal: AbortSignal): Promise<string> {
    const json = await this.read(`apps?name=${encodeURIComponent(name)}`, signal);
    const app = json === undefined ? undefined : understood(firstItem, json, (found) => !found || found.name === name);
    return app?.id ?? notFound('appNotFound');
  }

  async app(id: string, signal: AbortSignal): Promise<App> {
    const json = await this.read(`apps/${encodeURIComponent(id)}`, signal);
    return json === undefined ? notFound('appNotFound') : understood(parseApp, json, (app) => app.id === id);
  }

  async fn(id: string, signal: AbortSignal): Promise<Fn> {
    const json = await this.read(`fns/${encodeURIComponent(id)}`, signal);
    return json === undefined ? notFound('fnNotFound') : understood(parseFn, json, (fn) => fn.id === id);
  }

  async trigger(appId: string, source: string, signal: AbortSignal): Promise<Trigger> {
    // The source begins with a slash, and the API node expects it in addition to the separator.
    const path = `runner/apps/${encodeURIComponent(appId)}/triggerBySource/http/${encodePath(source)}`;
    const json = await this.read(path, signal);
    if (json === undefined) notFound('triggerNotFound');
    return understood(parseTrigger, json, (trigger) => trigger.appId === appId && trigger.source === source);
  }

  apiNode(timeoutMs: number): Promise<ApiNodeStatus> {
    return this.api.status(timeoutMs);
  }

  close(): Promise<void> {
    return this.api.close();
  }

  private read(path: string, signal: AbortSignal): Promise<string | undefined> {
    return this.api.read(`/v2/${path}`, signal);
  }
}

function encodePath(source: string): string {
  return source.split('/').map(encodeURIComponent).join('/');
}

/** @throws Error when the answer is not a list */
function firstItem(json: string): { readonly id: string; readonly name: string } | undefined {
  const { items } = JSON.parse(json) as { items: { id: unknown; name: unknown }[] | null };
  const [first] = items ?? [];
  if (items === undefined) throw new Error('an answer without items');
  if (first === undefined) return undefined;
  if (typeof first.id === 'string' && typeof first.name === 'string') return { id: first.id, name: first.name };
  throw new Error('an app without id or name');
}

function notFound(code: 'appNotFound' | 'fnNotFound' | 'triggerNotFound'): never {
  throw new FnError(code);
}

/**
 * An unreadable answer is the fault of the API node, not of the client. The same holds for an answer about something
 * else: callers choose the path, and a proxy in between may normalize dots or capitals in it.
 */
function understood<T>(parse: (json: string) => T, json: string, isAskedFor: (value: T) => boolean): T {
  try {
    const value = parse(json);
    if (isAskedFor(value)) return value;
  } catch (error) {
    throw new FnError('lookupUnavailable', { cause: error });
  }
  throw new FnError('lookupUnavailable', { cause: new Error('the answer of the API node is about another resource') });
}
