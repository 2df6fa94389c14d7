import type { Socket } from 'node:net';
import { LONG_AGO, later, type MonoMs, systemClock } from '@fnfleet/core';
import type { buildConnector } from 'undici';

/** How long a function's first connection may be refused, and the pause between tries, milliseconds. */
const PATIENCE_MS = 1_000;
const PAUSE_MS = 5;

/**
 * Dials a function. The very first time with patience: a function that binds its socket under the final name shows it an
 * instant before it listens, and a call in that instant must not be blamed on it. (FDKs rename a socket that listens
 * already.) Later a refusal means that nobody is there.
 *
 * @param connect begins a connection, or throws when the function has no acceptable socket
 */
export function functionDialer(connect: () => Socket): buildConnector.connector {
  let patientUntil: MonoMs | undefined;
  return function dial(options, callback): void {
    patientUntil ??= later(systemClock.now(), PATIENCE_MS);
    let socket: Socket;
    try {
      socket = connect();
    } catch (error) {
      return callback(error as Error, null);
    }
    const onError = (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' && systemClock.now() < (patientUntil ?? LONG_AGO)) {
        setTimeout(() => dial(options, callback), PAUSE_MS);
      } else callback(error, null);
    };
    socket.once('error', onError);
    socket.once('connect', () => {
      patientUntil = LONG_AGO;
      socket.off('error', onError);
      callback(null, socket);
    });
  };
}
