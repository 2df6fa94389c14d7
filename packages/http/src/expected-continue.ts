import type { IncomingMessage, ServerResponse } from 'node:http';

/** Requests whose clients have not been told to send the body. */
const waiting = new WeakMap<IncomingMessage, ServerResponse>();

/**
 * Handles `Expect: 100-continue`: the client is told to send its body when somebody begins to read it. Whoever refuses the request by its
 * head alone therefore does so before the body is sent, and Node closes the connection then: the next bytes on it may be the body or
 * another request.
 */
export function expectContinue(req: IncomingMessage, res: ServerResponse): void {
  const { headers } = req;
  // Some send the header with every request.
  if (headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0) {
    return res.writeContinue();
  }
  waiting.set(req, res);
  req.on('newListener', onListener);
}

/** For those who read without listeners. */
export function inviteBody(req: IncomingMessage): void {
  const res = waiting.get(req);
  // Somebody may also read what comes after the response.
  if (res === undefined || res.headersSent) return;
  waiting.delete(req);
  res.writeContinue();
}

/** Whoever reads the body from now on does not want it. */
export function withholdContinue(req: IncomingMessage): void {
  if (waiting.has(req)) req.off('newListener', onListener);
}

/** Whether the client waits until it is told to send the body. */
export function awaitsContinue(req: IncomingMessage): boolean {
  return waiting.has(req);
}

function onListener(this: IncomingMessage, event: string | symbol): void {
  if (event === 'data' || event === 'readable') inviteBody(this);
}
