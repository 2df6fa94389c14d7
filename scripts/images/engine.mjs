import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import Docker from 'dockerode';
import { sizeOf, tar } from './tar.mjs';

/** @typedef {(line: string) => void} Progress is told what is being done, line by line */

/** The label that holds the digest of everything an image was built from. */
const INPUTS_LABEL = 'fnfleet.inputs';

/** The engine named by DOCKER_HOST, or the local one. */
export const docker = new Docker();

/**
 * Builds an image from a tar context, unless one of that name was already built from the same inputs.
 *
 * @param {{ tag: string, entries: readonly import('./tar.mjs').TarEntry[], buildArgs?: Record<string, string>,
 *           target?: string, progress: Progress }} options
 * @returns {Promise<{ tag: string, built: boolean }>}
 */
export async function buildImage({ tag, entries, buildArgs = {}, target, progress }) {
  const inputs = await digestOf(entries, await resolveArgs(buildArgs));
  const present = await inspectImage(tag);
  if (present?.Config?.Labels?.[INPUTS_LABEL] === inputs) {
    progress(`${tag}: up to date`);
    return { tag, built: false };
  }
  progress(`${tag}: building`);
  const answer = await docker.buildImage(Readable.from(tar(entries)), {
    t: tag,
    labels: { [INPUTS_LABEL]: inputs },
    buildargs: buildArgs,
    ...(target !== undefined && { target }),
    forcerm: true,
  });
  await followed(answer);
  const { Size = 0 } = (await inspectImage(tag)) ?? {};
  progress(`${tag}: built, ${Math.round(Size / 1e6)} MB`);
  return { tag, built: true };
}

/**
 * What the engine knows about an image, or undefined when it has none of that name.
 * @param {string} name
 */
export async function inspectImage(name) {
  try {
    return await docker.getImage(name).inspect();
  } catch (error) {
    if (error instanceof Error && 'statusCode' in error && error.statusCode === 404) return undefined;
    throw error;
  }
}

/**
 * Whether the image could be pulled within the time given.
 * @param {string} name
 * @param {number} timeoutMs
 */
export async function tryPull(name, timeoutMs) {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const answer = await docker.pull(name, { abortSignal: signal });
    await followed(answer);
    return true;
  } catch {
    return false;
  }
}

/**
 * Reads a progress stream to its end. The engine reports a failure as a line of it, because it has sent status 200 by then.
 * @param {NodeJS.ReadableStream} stream an HTTP response
 */
async function followed(stream) {
  for await (const line of createInterface({ input: stream })) {
    const { error } = JSON.parse(line || '{}');
    if (error !== undefined) throw new Error(error.trim());
  }
  if (!('complete' in stream && stream.complete)) throw new Error('the connection to the engine was lost');
}

/**
 * Replaces the name of the base image by its id: a new image under the old name means building again.
 * @param {Record<string, string>} buildArgs
 */
async function resolveArgs(buildArgs) {
  const base = buildArgs.BASE;
  return base === undefined ? buildArgs : { ...buildArgs, BASE: (await inspectImage(base))?.Id ?? base };
}

/** @param {readonly import('./tar.mjs').TarEntry[]} entries @param {Record<string, string>} buildArgs */
async function digestOf(entries, buildArgs) {
  const hash = createHash('sha256');
  hash.update(JSON.stringify(buildArgs));
  for (const entry of entries) {
    hash.update(JSON.stringify([entry.path, entry.mode ?? 0, sizeOf(entry)]));
    if ('content' in entry) hash.update(entry.content);
    else if ('file' in entry) for await (const chunk of createReadStream(entry.file)) hash.update(chunk);
  }
  return hash.digest('hex');
}
