/** Where a node listens, by purpose. */
export type Addresses = Readonly<Record<string, string>>;

/** What a node tells the process that started it: that it serves, or why it never will. */
export type ParentMessage = { readonly ready: Addresses } | { readonly failed: string };

/** Resolves when the message is on its way. Of no effect in a process that nobody listens to. Never rejects. */
export function tellParent(message: ParentMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(message, () => resolve());
  });
}

export function isReadyMessage(message: unknown): message is { readonly ready: Addresses } {
  return typeof message === 'object' && message !== null && 'ready' in message;
}

export function isFailedMessage(message: unknown): message is { readonly failed: string } {
  return typeof message === 'object' && message !== null && 'failed' in message;
}
