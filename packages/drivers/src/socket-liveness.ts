import { connect } from 'node:net';

/**
 * Whether the process that listened on a unix socket is gone. A process that only hangs, or is paused, still has its
 * connections taken by the kernel.
 */
export function isDeserted(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED' || code === 'ENOENT'));
  });
}
