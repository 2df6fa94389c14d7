/** The addresses at which a node listens, by purpose. */
export type Addresses = Readonly<Record<string, string>>;

/** Messages of a node to its parent process: it serves, or why it failed to start. */
export type ParentMessage = { readonly ready: Addresses } | { readonly failed: string };

/** Resolves when the message has been handed over. Does nothing in a process without an IPC channel. Never rejects. */
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
