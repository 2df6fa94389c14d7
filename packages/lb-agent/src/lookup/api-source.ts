import { type App, type Fn, FnError, parseApp, parseFn, parseTrigger, type Trigger } from '@fnfleet/core';
import type { ApiClient } from './api-client.js';
import type { ApiNodeStatus, ChangeListener, FunctionSource } from './function-source.js';

/** Reads functions from the API nodes. */
export class ApiSource implements FunctionSource {
  constructor(private readonly api: ApiClient) {}

  async appIdByName(name: string, signal: AbortSignal): Promise<string> {
    const asked = (app?: { readonly name: string }) => app === undefined || app.name === name;
    const list = await this.read(
      `apps?name=${encodeURIComponent(name)}`,
      (json) => about(firstItem(json), asked),
      signal,
    );
    return list?.id ?? notFound('appNotFound');
  }

  async app(id: string, signal: AbortSignal): Promise<App> {
    const asked = (app: App) => app.id === id;
    const app = await this.read(`apps/${encodeURIComponent(id)}`, (json) => about(parseApp(json), asked), signal);
    return app ?? notFound('appNotFound');
  }

  async fn(id: string, signal: AbortSignal): Promise<Fn> {
    const asked = (fn: Fn) => fn.id === id;
    const fn = await this.read(`fns/${encodeURIComponent(id)}`, (json) => about(parseFn(json), asked), signal);
    return fn ?? notFound('fnNotFound');
  }

  async trigger(appId: string, source: string, signal: AbortSignal): Promise<Trigger> {
    // The source begins with a slash, and the API node expects it in addition to the separator.
    const path = `runner/apps/${encodeURIComponent(appId)}/triggerBySource/http/${encodePath(source)}`;
    const asked = (trigger: Trigger) => trigger.appId === appId && trigger.source === source;
    const trigger = await this.read(path, (json) => about(parseTrigger(json), asked), signal);
    return trigger ?? notFound('triggerNotFound');
  }

  follow(listener: ChangeListener): void {
    this.api.follow(listener);
  }

  apiNodes(timeoutMs: number): Promise<readonly ApiNodeStatus[]> {
    return this.api.status(timeoutMs);
  }

  close(): Promise<void> {
    return this.api.close();
  }

  private read<T>(path: string, understand: (json: string) => T, signal: AbortSignal): Promise<T | undefined> {
    return this.api.read(`/v2/${path}`, understand, signal);
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
 * Checks that an answer is about what was asked for: callers choose the path, and a proxy in between may normalize dots
 * or capitals in it.
 */
function about<T>(value: T, isAskedFor: (value: T) => boolean): T {
  if (isAskedFor(value)) return value;
  throw new Error('the answer of the API node is about another resource');
}
