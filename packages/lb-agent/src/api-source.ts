import { type App, type Fn, FnError, parseApp, parseFn, parseTrigger, type Trigger } from '@fnfleet/core';
import type { ApiClient } from './api-client.js';
import type { ApiNodeStatus, FunctionSource } from './function-source.js';

/** Functions as an api node tells of them. */
export class ApiSource implements FunctionSource {
  constructor(private readonly api: ApiClient) {}

  async appIdByName(name: string, signal: AbortSignal): Promise<string> {
    const found = firstId(await this.read(`apps?name=${encodeURIComponent(name)}`, signal));
    return found ?? notFound('appNotFound');
  }

  async app(id: string, signal: AbortSignal): Promise<App> {
    const json = await this.read(`apps/${encodeURIComponent(id)}`, signal);
    return json === undefined ? notFound('appNotFound') : understood(parseApp, json);
  }

  async fn(id: string, signal: AbortSignal): Promise<Fn> {
    const json = await this.read(`fns/${encodeURIComponent(id)}`, signal);
    return json === undefined ? notFound('fnNotFound') : understood(parseFn, json);
  }

  async trigger(appId: string, source: string, signal: AbortSignal): Promise<Trigger> {
    // The source begins with a slash of its own, and the api node wants both.
    const path = `runner/apps/${encodeURIComponent(appId)}/triggerBySource/http/${encodePath(source)}`;
    const json = await this.read(path, signal);
    return json === undefined ? notFound('triggerNotFound') : understood(parseTrigger, json);
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
