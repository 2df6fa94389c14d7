import { createReadStream } from 'node:fs';

/**
 * A tar writer for build contexts. The same entries always give the same bytes: no times, no owners, no machine names.
 *
 * @typedef {{ path: string, mode?: number, content: Buffer }} TarBuffer
 * @typedef {{ path: string, mode?: number, file: string, size: number }} TarFile
 * @typedef {{ path: string, mode?: number, directory: true }} TarDirectory
 * @typedef {TarBuffer | TarFile | TarDirectory} TarEntry
 */

const BLOCK = 512;

/**
 * The bytes of an archive, file contents streamed.
 * @param {readonly TarEntry[]} entries
 * @returns {AsyncGenerator<Buffer>}
 */
export async function* tar(entries) {
  for (const entry of entries) {
    const size = sizeOf(entry);
    yield header(entry, size);
    if ('content' in entry) yield entry.content;
    else if ('file' in entry) yield* createReadStream(entry.file);
    if (size % BLOCK !== 0) yield Buffer.alloc(BLOCK - (size % BLOCK));
  }
  yield Buffer.alloc(2 * BLOCK);
}

/** The bytes of its contents. @param {TarEntry} entry */
export function sizeOf(entry) {
  if ('content' in entry) return entry.content.length;
  return 'file' in entry ? entry.size : 0;
}

/**
 * One POSIX ustar header.
 * @param {TarEntry} entry
 * @param {number} size
 */
function header(entry, size) {
  const directory = 'directory' in entry;
  const { name, prefix } = splitPath(directory ? `${entry.path}/` : entry.path);
  const block = Buffer.alloc(BLOCK);
  block.write(name, 0);
  octal(block, entry.mode ?? (directory ? 0o755 : 0o644), 100, 8);
  octal(block, 0, 108, 8); // uid
  octal(block, 0, 116, 8); // gid
  octal(block, size, 124, 12);
  octal(block, 0, 136, 12); // mtime
  block.write(directory ? '5' : '0', 156);
  block.write('ustar\u000000', 257, 'latin1');
  block.write(prefix, 345);
  // The checksum is taken with its own field as spaces.
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\u0000 `, 148);
  return block;
}

/** @param {Buffer} block @param {number} value @param {number} offset @param {number} width with the closing NUL */
function octal(block, value, offset, width) {
  block.write(value.toString(8).padStart(width - 1, '0'), offset);
}

/**
 * A path of more than 100 bytes is split at a slash into a prefix of up to 155 and a name of up to 100.
 * @param {string} path
 */
function splitPath(path) {
  if (Buffer.byteLength(path) <= 100) return { name: path, prefix: '' };
  for (let slash = path.indexOf('/'); slash !== -1; slash = path.indexOf('/', slash + 1)) {
    const [prefix, name] = [path.slice(0, slash), path.slice(slash + 1)];
    if (name !== '' && Buffer.byteLength(name) <= 100 && Buffer.byteLength(prefix) <= 155) return { name, prefix };
  }
  throw new Error(`too long for a tar archive: ${path}`);
}
