import { existsSync } from 'node:fs';
import path from 'node:path';
import { createLogger, MIB, printableLine, problemOfImage, readSettings } from '@fnfleet/core';
import { dockerSettings, ImageBuilder } from '@fnfleet/drivers';
import type { FuncFile } from '../func-file/read-func-file.js';
import { remark } from '../terminal/say.js';
import { buildContext } from './build-context.js';
import { madeDockerfile } from './made-dockerfile.js';

/** As many as a large node_modules has, several times. */
const MAX_FILES = 200_000;

export interface BuildOptions {
  /** Pushes the image. */
  readonly push: boolean;
  readonly buildArgs: Readonly<Record<string, string>>;
  /** By BuildKit in place of the engine's own builder. */
  readonly buildkit: boolean;
  readonly noCache: boolean;
  readonly maxContextMib: number;
}

export interface BuiltImage {
  /** Its name: a tag, which another build may take over. */
  readonly image: string;
  /** What is this very image and no other: its digest in the registry, or its id on this engine. */
  readonly pinned: string;
}

/** Whether a folder has something to build an image of. */
export function isBuildable(folder: string, { build }: FuncFile): boolean {
  return existsSync(path.join(folder, 'Dockerfile')) || build.runtime !== undefined;
}

/**
 * Builds the image of a function's folder with the engine that DOCKER_HOST names, and pushes it if asked to. What is done is
 * shown on standard error.
 * @param signal gives it up, at the engine too
 * @throws Error with the reason of engine or registry, or with what no image can be called by
 */
export async function buildFolder(
  folder: string,
  { spec: { image }, build }: FuncFile,
  { push, buildArgs, buildkit, noCache, maxContextMib }: BuildOptions,
  // Ctrl-C ends the process, and with it the connection: the engine gives up what nobody waits for.
  signal: AbortSignal = new AbortController().signal,
): Promise<BuiltImage> {
  const problem = problemOfImage(image);
  if (problem !== undefined) throw new Error(`cannot build ${JSON.stringify(printableLine(image, 100))}: ${problem}`);
  const has = (name: string) => existsSync(path.join(folder, name));
  const dockerfile = has('Dockerfile') ? undefined : madeDockerfile(build, has);
  const { archive, bytes, files } = await buildContext(
    folder,
    { dockerfile, limits: { maxBytes: maxContextMib * MIB, maxFiles: MAX_FILES } },
    signal,
  );
  const builder = new ImageBuilder({
    settings: readSettings(dockerSettings, process.env),
    logger: createLogger({ level: 'warn', format: 'text', stream: process.stderr }),
    progress: remark,
  });
  try {
    remark(`building ${image} from ${folder}: ${files} files, ${(bytes / MIB).toFixed(1)} MiB`);
    const id = await builder.build(
      { context: archive, dockerfile: 'Dockerfile', image, buildArgs, buildkit, noCache },
      signal,
    );
    if (!push) return { image, pinned: id };
    remark(`pushing ${image}`);
    return { image, pinned: await builder.push(image, signal) };
  } finally {
    archive.destroy();
    builder.close();
  }
}
