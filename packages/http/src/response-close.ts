import type { ServerResponse } from 'node:http';

const CALLBACK = Symbol('callback of its close event');

type Closing = ServerResponse & { [CALLBACK]?: (() => void) | undefined };

/**
 * Calls back once, when a response has been closed, in the order of registration.
 *
 * All callbacks of a response share one listener. For two listeners of one event Node creates an array, and V8 allocates the
 * arrays of all emitters in the old generation once it has seen that most of them are kept, as those of connections are. Such an
 * array keeps the call alive until the next full collection.
 */
export function whenClosed(response: ServerResponse, callback: () => void): void {
  const closing: Closing = response;
  const earlier = closing[CALLBACK];
  if (earlier === undefined) {
    closing[CALLBACK] = callback;
    response.once('close', onClose);
    return;
  }
  const both = () => {
    earlier();
    callback();
  };
  closing[CALLBACK] = both;
}

function onClose(this: Closing): void {
  const callback = this[CALLBACK];
  this[CALLBACK] = undefined;
  callback?.();
}
