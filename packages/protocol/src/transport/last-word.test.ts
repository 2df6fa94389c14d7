import { EventEmitter } from 'node:events';
import http2 from 'node:http2';
import type { Socket } from 'node:net';
import { bindSocket, wasHeardOut, watchSocket } from './last-word.js';

const { NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR, NGHTTP2_PROTOCOL_ERROR } = http2.constants;

const errorOf = (code: string, syscall?: string) => Object.assign(new Error(code), { code, syscall });

/** A stream whose connection, or which itself, has come to its end. */
function lose(how: {
  socket?: (socket: EventEmitter) => void;
  error?: Error;
  rstCode?: number;
  alive?: boolean;
}): boolean {
  const socket = new EventEmitter();
  socket.on('error', () => undefined);
  const session = { destroyed: !how.alive } as http2.ClientHttp2Session;
  watchSocket(socket as Socket);
  bindSocket(session, socket as Socket);
  how.socket?.(socket);
  return wasHeardOut(session, { rstCode: how.rstCode ?? NGHTTP2_CANCEL } as http2.ClientHttp2Stream, how.error);
}

it.each`
  title                                                    | loss                                                                                          | heard
  ${'the peer closed the connection'}                      | ${{ socket: (s: EventEmitter) => s.emit('end') }}                                             | ${true}
  ${'a read found it reset'}                               | ${{ socket: (s: EventEmitter) => s.emit('error', errorOf('ECONNRESET', 'read')) }}            | ${true}
  ${'a write found it reset: there may be more to read'}   | ${{ socket: (s: EventEmitter) => s.emit('error', errorOf('ECONNRESET', 'write')) }}           | ${false}
  ${'a write found it closed'}                             | ${{ socket: (s: EventEmitter) => s.emit('error', errorOf('EPIPE', 'write')) }}                | ${false}
  ${'it fell silent'}                                      | ${{ socket: (s: EventEmitter) => s.emit('error', errorOf('ETIMEDOUT', 'read')) }}             | ${false}
  ${'it was closed from here'}                             | ${{}}                                                                                         | ${false}
  ${'the peer said goodbye with a reason'}                 | ${{ error: errorOf('ERR_HTTP2_SESSION_ERROR') }}                                              | ${true}
  ${'the peer reset the stream'}                           | ${{ alive: true, rstCode: NGHTTP2_INTERNAL_ERROR, error: errorOf('ERR_HTTP2_STREAM_ERROR') }} | ${true}
  ${'the peer cancelled the stream'}                       | ${{ alive: true, rstCode: NGHTTP2_CANCEL }}                                                   | ${true}
  ${'the peer broke HTTP/2, so this end reset the stream'} | ${{ alive: true, rstCode: NGHTTP2_PROTOCOL_ERROR, error: errorOf('ERR_HTTP2_STREAM_ERROR') }} | ${false}
  ${'the stream broke for another reason'}                 | ${{ alive: true, rstCode: NGHTTP2_INTERNAL_ERROR, error: errorOf('EPIPE', 'write') }}         | ${false}
`('$title: all was read? $heard', ({ loss, heard }) => {
  expect(lose(loss)).toBe(heard);
});
