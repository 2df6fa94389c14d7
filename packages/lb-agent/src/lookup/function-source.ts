import type { App, Fn, Trigger } from '@fnfleet/core';

/**
 * The source of functions. A read rejects with the FnError that names what does not exist, with FnError
 * `lookupUnavailable` when the source does not answer, or with the reason of the signal.
 */
export interface FunctionSource {
  /** @throws FnError `appNotFound` */
  appIdByName(name: string, signal: AbortSignal): Promise<string>;
  /** @throws FnError `appNotFound` */
  app(id: string, signal: AbortSignal): Promise<App>;
  /** @throws FnError `fnNotFound` */
  fn(id: string, signal: AbortSignal): Promise<Fn>;
  /** Finds the HTTP trigger of an app with exactly this source. @throws FnError `triggerNotFound` */
  trigger(appId: string, source: string, signal: AbortSignal): Promise<Trigger>;
  /** The state of the API nodes that functions come from, if there are any. Never rejects. */
  apiNodes?(timeoutMs: number): Promise<readonly ApiNodeStatus[]>;
  close(): Promise<void>;
}

export interface ApiNodeStatus {
  readonly url: string;
  /** Whether lookups ask it first. */
  readonly inUse: boolean;
  /** Why it is not usable; undefined if it answers. */
  readonly trouble?: string;
}
