import { type App, type Fn, FnError, parseApp, parseFn, parseTrigger, type Trigger } from '@fnfleet/core';
import type { ApiClient } from './api-client.js';
import type { ApiNodeStatus, FunctionSource } from './function-source.js';

/** Functions as an api node tells of them. */
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
    // The source begins with a slash of its own, and the api node wants both.
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

/** @throws Error when it is no list */
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
 * An answer that cannot be read is the api node's fault, not the client's. So is one about something else: callers choose what
 * is asked for, and a proxy on the way may take a path with dots, or a name in capitals, for another one.
 */
function understood<T>(parse: (json: string) => T, json: string, isAskedFor: (value: T) => boolean): T {
  try {
    const value = parse(json);
    if (isAskedFor(value)) return value;
  } catch (error) {
    throw new FnError('lookupUnavailable', { cause: error });
  }
  throw new FnError('lookupUnavailable', { cause: new Error('the api node answered about something else') });
}
