type Awaitable = void | Promise<void>;

/**
 * Hooks of an embedder around changes of one kind of resource, called in the order they were given. What a hook throws
 * becomes the answer: before a change it prevents it, after a change the change stays.
 */
export interface ResourceListener<T> {
  /** May edit the input; called before it is validated. */
  beforeCreate?(input: Partial<T>): Awaitable;
  afterCreate?(created: T): Awaitable;
  /** May edit the change. */
  beforeUpdate?(id: string, change: Partial<T>): Awaitable;
  afterUpdate?(updated: T): Awaitable;
  beforeDelete?(id: string): Awaitable;
  afterDelete?(id: string): Awaitable;
}

/** Calls one hook of each listener that has it. */
export async function notify<T>(
  listeners: readonly ResourceListener<T>[],
  call: (listener: ResourceListener<T>) => Awaitable | undefined,
): Promise<void> {
  for (const listener of listeners) await call(listener);
}
