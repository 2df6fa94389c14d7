import type { OnReadOpts, Socket } from 'node:net';

/**
 * Bytes in memory that is used again: they are valid until the call that passes them returns, and whoever keeps them copies them.
 * `Buffer` in a signature means bytes that nobody changes.
 */
export type BorrowedBytes = Buffer;

const READ_BYTES = 64 * 1024;

/**
 * All sockets read into this memory. Data is processed before the next read of any socket, so one piece is enough. Node would
 * allocate one of this size for each read, and they count towards the limit at which V8 collects its whole heap.
 */
const memory = Buffer.allocUnsafeSlow(READ_BYTES);

/** Set in all tests, so that bytes that were kept without a copy do not stay what they were. */
const OVERWRITES = Symbol.for('fnfleet.overwritesReadBytes') in globalThis;
const OVERWRITTEN = 0xdb;

/** The option `onread` of a client socket. Such a socket emits no `data`. */
export function sharedReads(onBytes: (bytes: BorrowedBytes) => void): OnReadOpts {
  return {
    buffer: memory,
    callback: (length) => {
      lend(memory.subarray(0, length), onBytes);
      return true;
    },
  };
}

/**
 * The same for any connected socket from which nothing was read yet, such as one that a server has accepted. Node has no public way to
 * do it. If its internals are not the known ones, or the socket has none, it reads as usual.
 */
export function shareReads(socket: Socket, onBytes: (bytes: BorrowedBytes) => void): void {
  const onData = (bytes: Buffer) => lend(bytes, onBytes);
  const { _handle: handle } = socket as Socket & {
    readonly _handle?: { useUserBuffer?(memory: Buffer): unknown } | null;
  };
  const buffer = internal(socket, 'kBuffer');
  const callback = internal(socket, 'kBufferCb');
  if (buffer === undefined || callback === undefined || typeof handle?.useUserBuffer !== 'function') {
    socket.on('data', onData);
    return;
  }
  const early: Buffer | null = socket.read();
  if (early !== null) onData(early);
  const reads = sharedReads(onBytes);
  Object.assign(socket, { [buffer]: reads.buffer, [callback]: reads.callback });
  handle.useUserBuffer(memory);
}

/** Whether a socket reads into the shared memory. */
export function sharesReads(socket: Socket): boolean {
  const buffer = internal(socket, 'kBuffer');
  return buffer !== undefined && (socket as unknown as Record<symbol, unknown>)[buffer] === memory;
}

function internal(socket: Socket, name: string): symbol | undefined {
  return Object.getOwnPropertySymbols(socket).find(({ description }) => description === name);
}

/** Passes on bytes in memory that is used again. In tests they are overwritten afterwards. */
export function lend(bytes: Buffer, use: (bytes: BorrowedBytes) => void): void {
  use(bytes);
  if (OVERWRITES) bytes.fill(OVERWRITTEN);
}
