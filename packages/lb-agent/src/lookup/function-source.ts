import type { App, Fn, Resource, Trigger } from '@fnfleet/core';

/**
 * The source of functions. A read rejects with the FnError that names what does not exist, with FnError
 * `lookupUnavailable` when the source does not answer, or with the reason of the signal.
 */
export interface FunctionSource extends Resource {
  /** @throws FnError `appNotFound` */
  appIdByName(name: string, signal: AbortSignal): Promise<string>;
  /** @throws FnError `appNotFound` */
  app(id: string, signal: AbortSignal): Promise<App>;
  /** @throws FnError `fnNotFound` */
  fn(id: string, signal: AbortSignal): Promise<Fn>;
  /** Finds the HTTP trigger of an app with exactly this source. @throws FnError `triggerNotFound` */
  trigger(appId: string, source: string, signal: AbortSignal): Promise<Trigger>;
  /** Reports what changes at the source, until it is closed. Called once; a source that cannot do so lacks it. */
  follow?(listener: ChangeListener): void;
  /** The state of the API nodes that functions come from, if there are any. Never rejects. */
  apiNodes?(timeoutMs: number): Promise<readonly ApiNodeStatus[]>;
}

/** Receives changes after they were made. Neither method throws. */
export interface ChangeListener {
  /** In the order in which they were made; some may be repeated. */
  onChanges(changes: readonly SourceChange[]): void;
  /** Anything may have changed. */
  onReset(): void;
}

/** A change to an app, a function or a trigger. */
export interface SourceChange {
  readonly kind: 'app' | 'fn' | 'trigger';
  /** Deleting an app implies its functions and triggers, and deleting a function its triggers. */
  readonly action: 'created' | 'updated' | 'deleted';
  readonly id: string;
  /** The id of the app that it belongs to; of an app, its own. */
  readonly appId: string;
  readonly name: string;
  /** For a trigger: the sources that lead or led to it, old and new. */
  readonly sources?: readonly string[] | undefined;
}

export interface ApiNodeStatus {
  readonly url: string;
  /** Whether lookups ask it first. */
  readonly inUse: boolean;
  /** Whether its changes are followed, so that they take effect at once. */
  readonly feed?: boolean;
  /** Why it is not usable; undefined if it answers. */
  readonly trouble?: string;
}
