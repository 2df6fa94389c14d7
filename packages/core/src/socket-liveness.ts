import type { Socket } from 'node:net';

/**
 * Whether the process that listened on a unix socket is gone. The kernel still accepts connections for a process that hangs or
 * is paused.
 * @param connect begins a connection; if it throws, there is nothing to connect to
 */
export function isDeserted(connect: () => Socket): Promise<boolean> {
  return new Promise((resolve) => {
    let socket: Socket;
    try {
      socket = connect();
    } catch {
      return resolve(true);
    }
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED' || code === 'ENOENT'));
  });
}
