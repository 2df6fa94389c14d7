import { constants, lstatSync, readdirSync, readlinkSync, realpathSync } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { MIB } from '@fnfleet/core';
import tar from 'tar-stream';
import { ignoreRules } from './ignore-rules.js';

/** What a build may send to the engine. */
export interface ContextLimits {
  readonly maxBytes: number;
  readonly maxFiles: number;
}

export interface ContextOptions {
  readonly limits: ContextLimits;
  /** A Dockerfile that the folder does not have. */
  readonly dockerfile?: string | undefined;
}

export interface BuildContext {
  readonly files: number;
  readonly bytes: number;
  /** The archive (tar). Fails when a file can no longer be read as it was found. */
  readonly archive: Readable;
}

/** Sent whatever .dockerignore says, since the engine reads them. */
const ALWAYS: ReadonlySet<string> = new Set(['Dockerfile', '.dockerignore']);
/** Functions run as a user of their own (docs/isolation.md), whatever the umask was of who wrote them: all may read and enter. */
const READABLE = 0o444;
const ENTERABLE = 0o555;

type Found =
  | { readonly kind: 'file'; readonly name: string }
  | { readonly kind: 'directory'; readonly name: string; readonly mode: number }
  | { readonly kind: 'link'; readonly name: string; readonly target: string };

/**
 * A folder as the engine takes it, without what its .dockerignore names.
 *
 * Links go as links and are never followed here, so nothing outside the folder is read; the engine resolves them within the
 * context. Owners are left out, and what is no file, folder or link.
 *
 * @throws Error that names the bound that the folder is beyond, or what cannot be read
 */
export function buildContext(folder: string, { limits, dockerfile }: ContextOptions): BuildContext {
  const root = realpathSync(folder);
  const { found, bytes } = scan(root, limits);
  const pack = tar.pack();
  // The engine client knows streams of Node; the pack is one of a package.
  const archive = new PassThrough();
  pipeline(pack, archive).catch(() => undefined);
  const generated = dockerfile === undefined ? [] : [{ name: 'Dockerfile', text: dockerfile }];
  fill(pack, root, { found, generated, maxBytes: limits.maxBytes }).then(
    () => pack.finalize(),
    (error: Error) => {
      archive.destroy(error);
      pack.destroy();
    },
  );
  return { files: found.length, bytes, archive };
}

function scan(root: string, { maxBytes, maxFiles }: ContextLimits): { found: Found[]; bytes: number } {
  const rules = ignoreRules(root);
  const found: Found[] = [];
  const folders = [''];
  let seen = 0;
  let bytes = 0;
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of readdirSync(path.join(root, folder)).sort()) {
      const name = folder === '' ? entry : `${folder}/${entry}`;
      seen += 1;
      if (seen > maxFiles) throw beyond(`more than ${maxFiles} files`);
      const file = path.join(root, name);
      const status = lstatSync(file);
      const wanted = ALWAYS.has(name) || !rules.ignores(name);
      if (status.isDirectory()) {
        // A later rule may bring back a part of a folder.
        if (wanted || rules.bringBack) folders.push(name);
        if (wanted) found.push({ kind: 'directory', name, mode: status.mode & 0o777 });
      } else if (wanted && status.isSymbolicLink()) {
        found.push({ kind: 'link', name, target: readlinkSync(file) });
      } else if (wanted && status.isFile()) {
        bytes += status.size;
        if (bytes > maxBytes) throw beyond(`more than ${Math.floor(maxBytes / MIB)} MiB`);
        found.push({ kind: 'file', name });
      }
    }
  }
  return { found, bytes };
}

function beyond(what: string): Error {
  return new Error(
    `the folder has ${what}: leave out with a .dockerignore what the image does not need, or raise the bound`,
  );
}

interface Filling {
  readonly found: readonly Found[];
  readonly generated: readonly { readonly name: string; readonly text: string }[];
  readonly maxBytes: number;
}

async function fill(pack: tar.Pack, root: string, { found, generated, maxBytes }: Filling): Promise<void> {
  let bytesLeft = maxBytes;
  for (const entry of found) {
    const { name } = entry;
    if (entry.kind === 'directory') {
      pack.entry({ name, type: 'directory', mode: entry.mode | ENTERABLE });
    } else if (entry.kind === 'link') {
      pack.entry({ name, type: 'symlink', linkname: entry.target });
    } else {
      bytesLeft -= await addFile(pack, path.join(root, name), { name, maxBytes: bytesLeft });
    }
  }
  for (const { name, text } of generated) pack.entry({ name, mode: 0o644 }, text);
}

/** @returns its bytes */
async function addFile(
  pack: tar.Pack,
  file: string,
  { name, maxBytes }: { name: string; maxBytes: number },
): Promise<number> {
  // It may have become a link or a pipe since it was found.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await open(file, flags).catch((cause: Error) => {
    throw new Error(`cannot read ${file}: ${cause.message}`, { cause });
  });
  try {
    const status = await handle.stat();
    const { size, mtime } = status;
    if (!status.isFile() || size > maxBytes) throw new Error(`${file} changed while it was read`);
    const mode = (status.mode & 0o777) | READABLE;
    const entry = pack.entry({ name, size, mtime, mode });
    if (size === 0) {
      entry.end();
      return 0;
    }
    await pipeline(handle.createReadStream({ end: size - 1, autoClose: false }), entry).catch((cause: Error) => {
      throw new Error(`cannot read ${file}: ${cause.message}`, { cause });
    });
    return size;
  } finally {
    await handle.close();
  }
}
