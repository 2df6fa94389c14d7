import { existsSync } from 'node:fs';
import path from 'node:path';
import { createLogger, MIB, printableLine, problemOfImage, readSettings } from '@fnfleet/core';
import { dockerSettings, ImageBuilder } from '@fnfleet/drivers';
import type { FuncFile } from '../func-file/read-func-file.js';
import { remark } from '../terminal/output.js';
import { buildContext } from './build-context.js';
import { madeDockerfile } from './made-dockerfile.js';

/** Maximum files in a folder, several times what a large node_modules has. */
const MAX_FILES = 200_000;

export interface BuildOptions {
  /** Push the image. */
  readonly push: boolean;
  readonly buildArgs: Readonly<Record<string, string>>;
  /** Build with BuildKit instead of the classic builder of the engine. */
  readonly buildkit: boolean;
  readonly noCache: boolean;
  readonly maxContextMib: number;
}

export interface BuiltImage {
  /** Name with tag, which a later build may reassign. */
  readonly image: string;
  /** Identifies exactly this image: its digest in the registry, or its id on this engine. */
  readonly pinned: string;
}

/** Whether a folder has what an image build needs. */
export function isBuildable(folder: string, { build }: FuncFile): boolean {
  return existsSync(path.join(folder, 'Dockerfile')) || build.runtime !== undefined;
}

/**
 * Builds the image of a function's folder with the engine that DOCKER_HOST names, and pushes it if asked to. Shows
 * progress on standard error.
 * @param signal cancels the build, also at the engine
 * @throws Error with the reason of engine or registry, or if the image name is invalid
 */
export async function buildFolder(
  folder: string,
  { spec: { image }, build }: FuncFile,
  { push, buildArgs, buildkit, noCache, maxContextMib }: BuildOptions,
  // Ctrl-C ends the process and its connection, at which the engine cancels the build.
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
