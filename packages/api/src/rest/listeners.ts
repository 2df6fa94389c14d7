type Awaitable = void | Promise<void>;

/**
 * Hooks of an embedder around changes of one kind of resource, called in the given order. An error of a hook becomes
 * the response. Before a change it prevents the change; after a change, the change is kept.
 */
export interface ResourceListener<T> {
  /** Called before the input is validated; may modify it. */
  beforeCreate?(input: Partial<T>): Awaitable;
  afterCreate?(created: T): Awaitable;
  /** May modify the change. */
  beforeUpdate?(id: string, change: Partial<T>): Awaitable;
  afterUpdate?(updated: T): Awaitable;
  beforeDelete?(id: string): Awaitable;
  afterDelete?(id: string): Awaitable;
}

/** Calls one hook of all listeners that have it. */
export async function notify<T>(
  listeners: readonly ResourceListener<T>[],
  call: (listener: ResourceListener<T>) => Awaitable | undefined,
): Promise<void> {
  for (const listener of listeners) await call(listener);
}
