import http2 from 'node:http2';
import type { Socket } from 'node:net';

/**
 * Whether all that a peer has sent was read before its connection or stream was lost. TCP delivers in order, so the end of
 * the connection, its reset as a read reports it, and a frame that closes stream or session come after everything else. A
 * connection that falls silent, or breaks while it is written to, proves nothing: the last words may be on their way.
 */
const readToEnd = new WeakSet<Socket>();
const socketOf = new WeakMap<http2.ClientHttp2Session, Socket>();

/** Before the session is made: its own listeners come after. */
export function watchSocket(socket: Socket): void {
  socket.once('end', () => readToEnd.add(socket));
  socket.once('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ECONNRESET' && error.syscall === 'read') readToEnd.add(socket);
  });
}

export function bindSocket(session: http2.ClientHttp2Session, socket: Socket): void {
  socketOf.set(session, socket);
}

/** Resets that only a peer sends; the others are also what this end does to a peer that breaks HTTP/2. */
const PEER_RESETS: readonly number[] = [
  http2.constants.NGHTTP2_NO_ERROR,
  http2.constants.NGHTTP2_CANCEL,
  http2.constants.NGHTTP2_INTERNAL_ERROR,
];

/** Of a stream that has closed, and that was not closed from here. @param error what it closed with, if anything */
export function wasHeardOut(
  session: http2.ClientHttp2Session,
  stream: http2.ClientHttp2Stream,
  error: NodeJS.ErrnoException | undefined,
): boolean {
  const socket = socketOf.get(session);
  if (socket !== undefined && readToEnd.has(socket)) return true;
  if (error?.code === 'ERR_HTTP2_SESSION_ERROR') return true; // a GOAWAY that gives a reason
  if (error !== undefined && error.code !== 'ERR_HTTP2_STREAM_ERROR') return false;
  return !session.destroyed && PEER_RESETS.includes(stream.rstCode ?? -1);
}
