import type { App, Fn, Trigger } from '@fnfleet/core';

/**
 * Where functions are kept. A read rejects with the FnError that says what is not there, with FnError
 * `lookupUnavailable` when nobody can tell, or with the reason of the signal.
 */
export interface FunctionSource {
  /** @throws FnError `appNotFound` */
  appIdByName(name: string, signal: AbortSignal): Promise<string>;
  /** @throws FnError `appNotFound` */
  app(id: string, signal: AbortSignal): Promise<App>;
  /** @throws FnError `fnNotFound` */
  fn(id: string, signal: AbortSignal): Promise<Fn>;
  /** The HTTP trigger of an app with exactly this source. @throws FnError `triggerNotFound` */
  trigger(appId: string, source: string, signal: AbortSignal): Promise<Trigger>;
  /** Where functions come from, if that is another node, and how it is. Never rejects. */
  apiNode?(timeoutMs: number): Promise<ApiNodeStatus>;
  close(): Promise<void>;
}

export interface ApiNodeStatus {
  readonly url: string;
  /** Why it cannot be asked; undefined: it answers. */
  readonly trouble?: string;
}
