import path from 'node:path';

/** Maximum length of the path of a unix socket in bytes, without the final NUL: less on macOS and BSD than on Linux. */
export const SOCKET_PATH_MAX_BYTES = process.platform === 'linux' ? 107 : 103;

/** Without white space, and without characters that have a meaning in lists or URLs. */
const PLAIN_PATH = /^[\w./@+=~-]+$/;

/**
 * The path in `unix:/path` or `unix:///path`, which is how gRPC writes the address of a unix socket.
 * @returns undefined for every other address
 */
export function unixPathOf(address: string): string | undefined {
  return /^unix:(?:\/\/)?(\/(?!\/).*)$/.exec(address)?.[1];
}

/** @returns what is wrong with the address of a unix socket, in words; undefined if it is valid */
export function problemOfUnixAddress(address: string): string | undefined {
  const socketPath = unixPathOf(address);
  if (socketPath === undefined) return 'expected unix:/path, an absolute path';
  if (!PLAIN_PATH.test(socketPath)) return 'its path may only have letters, digits and the characters . _ - / @ + = ~';
  if (path.posix.normalize(socketPath) !== socketPath || socketPath.endsWith('/')) {
    return 'its path must name a file, without . or .. or a second / in a row';
  }
  const bytes = Buffer.byteLength(socketPath);
  if (bytes <= SOCKET_PATH_MAX_BYTES) return undefined;
  return `its path has ${bytes} bytes; that of a unix socket has at most ${SOCKET_PATH_MAX_BYTES}`;
}

/** The host in `host:port`, an IPv6 address without its brackets; `localhost` for a unix socket, as in gRPC. */
export function hostOfAddress(address: string): string {
  if (unixPathOf(address) !== undefined) return 'localhost';
  return address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '');
}
