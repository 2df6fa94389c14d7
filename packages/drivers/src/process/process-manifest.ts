import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FnError } from '@fnfleet/core';
import { parseImageReference } from '../docker/images/image-reference.js';

/** A function that runs as a process: its command and its working directory. */
export interface ProcessManifest {
  readonly command: string;
  readonly args: readonly string[];
  readonly directory: string;
}

const MANIFEST = 'process.json';

/**
 * Finds the function of an image name: the directory `<functionsDir>/<repository>`, or the one named after the last part of the
 * repository. The registry, tag and digest are ignored, because there is only the version in the directory. Its
 * `process.json` is `{ "command": ["program", "argument"…] }`, run in that directory.
 *
 * @throws FnError `imagePullFailed`, 404 when there is no such function
 */
export async function findManifest(functionsDir: string, image: string): Promise<ProcessManifest> {
  const { repository } = parseImageReference(image);
  const parts = repository.replace(/^library\//, '').split('/');
  // The name is untrusted: it must not lead out of the directory.
  if (parts.some((part) => part === '' || part === '.' || part === '..')) throw notFound(image, 'not an image name');
  for (const name of [parts.join('/'), parts[parts.length - 1] ?? '']) {
    const directory = join(functionsDir, name);
    const text = await readIfThere(join(directory, MANIFEST));
    if (text !== undefined) return parseManifest(text, directory, image);
  }
  throw notFound(image, `no ${join(functionsDir, parts.join('/'), MANIFEST)}`);
}

function parseManifest(text: string, directory: string, image: string): ProcessManifest {
  const [command, ...args] = commandOf(text);
  if (command === undefined) {
    throw notFound(image, `${join(directory, MANIFEST)}: expected {"command": ["program", "argument"…]}`);
  }
  return { command, args, directory };
}

function commandOf(text: string): string[] {
  try {
    const { command } = JSON.parse(text) as { command?: unknown };
    return Array.isArray(command) && command.every((part) => typeof part === 'string') ? command : [];
  } catch {
    return [];
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

function notFound(image: string, reason: string): FnError {
  return new FnError('imagePullFailed', { status: 404, params: { image, reason } });
}
