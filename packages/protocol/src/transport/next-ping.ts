import type http2 from 'node:http2';

const waiting = new WeakMap<http2.ClientHttp2Session, (() => void)[]>();

/**
 * Calls back when the peer has sent another PING. HTTP/2 answers it by itself, in the same turn of the event loop: before
 * this the peer has no receipt, afterwards it may have one.
 */
export function onNextPing(session: http2.ClientHttp2Session, callback: () => void): void {
  const callbacks = waiting.get(session) ?? watch(session);
  callbacks.push(callback);
}

function watch(session: http2.ClientHttp2Session): (() => void)[] {
  const callbacks: (() => void)[] = [];
  waiting.set(session, callbacks);
  session.on('ping', () => {
    for (const callback of callbacks.splice(0)) callback();
  });
  return callbacks;
}
