import { constants, lstatSync, opendirSync, readlinkSync, realpathSync, type Stats } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate as turn } from 'node:timers/promises';
import { MIB } from '@fnfleet/core';
import tar from 'tar-stream';
import { ignoreRules } from './ignore-rules.js';

/** Limits for what a build sends to the engine. */
export interface ContextLimits {
  readonly maxBytes: number;
  readonly maxFiles: number;
  /** Limit for the cost of matching names with .dockerignore (IgnoreRules); beyond it, matching takes minutes. */
  readonly maxSteps?: number;
}

/** Default matching cost; far more than a large folder and a long .dockerignore need. */
const MAX_STEPS = 2_000_000_000;
/** Work between two yields to the event loop while a folder is searched. */
const STEPS_A_TURN = 500_000;
const FILES_A_TURN = 200;

export interface ContextOptions {
  readonly limits: ContextLimits;
  /** A generated Dockerfile, if the folder has none. */
  readonly dockerfile?: string | undefined;
}

export interface BuildContext {
  readonly files: number;
  readonly bytes: number;
  /** The tar archive. Fails when a file has changed since it was found. */
  readonly archive: Readable;
}

/** Always sent, whatever .dockerignore says, because the engine reads them. */
const ALWAYS: ReadonlySet<string> = new Set(['Dockerfile', '.dockerignore']);
/** All may read: functions run as another user (docs/isolation.md), whatever the umask of the author was. */
const READABLE = 0o444;
const ENTERABLE = 0o555;

type Found =
  | { readonly kind: 'file'; readonly name: string }
  | { readonly kind: 'directory'; readonly name: string; readonly mode: number }
  | { readonly kind: 'link'; readonly name: string; readonly target: string };

/**
 * Packs a folder as a build context for the engine, without what its .dockerignore excludes.
 *
 * Links are packed as links and never followed, so nothing outside the folder is read; the engine resolves them within
 * the context. Owners are left out, and so is everything but files, folders and links.
 *
 * @param signal cancels the search of the folder
 * @throws Error that names the limit that the folder exceeds, or what cannot be read
 */
export async function buildContext(
  folder: string,
  { limits, dockerfile }: ContextOptions,
  signal?: AbortSignal,
): Promise<BuildContext> {
  const root = realpathSync(folder);
  const { found, bytes } = await scan(root, limits, signal);
  const pack = tar.pack();
  const generated = dockerfile === undefined ? [] : [{ name: 'Dockerfile', text: dockerfile }];
  const failure = fill(pack, root, { found, generated, maxBytes: limits.maxBytes }).then(
    () => {
      pack.finalize();
      return undefined;
    },
    (error: Error) => {
      pack.destroy();
      return error;
    },
  );
  const archive = Readable.from(contentOf(pack, failure), { objectMode: false });
  // Without a reader, an error event would end the process.
  archive.once('close', () => pack.destroy());
  return { files: found.length, bytes, archive };
}

/** Replaces the error of an ended pack, which may lack a reason, with the error of the file. */
async function* contentOf(pack: tar.Pack, failure: Promise<Error | undefined>): AsyncGenerator<Buffer> {
  try {
    yield* pack as AsyncIterable<Buffer>;
  } catch (error) {
    throw (await failure) ?? error;
  }
  const error = await failure;
  if (error) throw error;
}

async function scan(
  root: string,
  { maxBytes, maxFiles, maxSteps = MAX_STEPS }: ContextLimits,
  signal: AbortSignal | undefined,
): Promise<{ found: Found[]; bytes: number }> {
  const rules = ignoreRules(root);
  const found: Found[] = [];
  const folders = [''];
  let seen = 0;
  let bytes = 0;
  let turnAt = { seen: FILES_A_TURN, steps: STEPS_A_TURN };
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const names = namesIn(path.join(root, folder), maxFiles - seen);
    if (names === undefined) throw beyond(`more than ${maxFiles} files`);
    seen += names.length;
    for (const [index, entry] of names.entries()) {
      const name = folder === '' ? entry : `${folder}/${entry}`;
      const status = statusOf(path.join(root, name));
      const wanted = ALWAYS.has(name) || !rules.ignores(name);
      if (status.isDirectory()) {
        // A later rule may re-include a part of a folder.
        if (wanted || rules.bringBack) folders.push(name);
        if (wanted) found.push({ kind: 'directory', name, mode: status.mode & 0o777 });
      } else if (wanted && status.isSymbolicLink()) {
        found.push({ kind: 'link', name, target: readlinkSync(path.join(root, name)) });
      } else if (wanted && status.isFile()) {
        bytes += status.size;
        if (bytes > maxBytes) throw beyond(`more than ${Math.floor(maxBytes / MIB)} MiB`);
        found.push({ kind: 'file', name });
      }
      if (rules.steps > maxSteps)
        throw new Error('matching the .dockerignore takes too long: it has too many lines like **/*a*');
      const looked = seen - names.length + index;
      if (looked >= turnAt.seen || rules.steps >= turnAt.steps) {
        turnAt = { seen: looked + FILES_A_TURN, steps: rules.steps + STEPS_A_TURN };
        await turn(undefined, { signal });
      }
    }
  }
  return { found, bytes };
}

/** Names in sorted order; undefined if there are more than the limit. */
function namesIn(folder: string, most: number): string[] | undefined {
  const names: string[] = [];
  const directory = opendirSync(folder);
  try {
    for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
      names.push(entry.name);
      if (names.length > most) return undefined;
    }
  } finally {
    directory.closeSync();
  }
  return names.sort();
}

/** @throws Error that names a file that has disappeared, or whose name is not UTF-8 */
function statusOf(file: string): Stats {
  try {
    return lstatSync(file);
  } catch (cause) {
    throw new Error(`cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
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

/** @returns the size in bytes */
async function addFile(
  pack: tar.Pack,
  file: string,
  { name, maxBytes }: { name: string; maxBytes: number },
): Promise<number> {
  // The file may have become a link or a pipe since it was found.
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
    let read = 0;
    const content = handle.createReadStream({ end: size - 1, autoClose: false });
    content.on('data', (chunk) => {
      read += chunk.length;
    });
    await pipeline(content, entry).catch((cause: Error) => {
      throw new Error(`cannot read ${file}: ${cause.message}`, { cause });
    });
    if (read < size) throw new Error(`${file} changed while it was read`);
    return size;
  } finally {
    await handle.close();
  }
}
