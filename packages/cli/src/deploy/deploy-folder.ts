import { printableLine } from '@fnfleet/core';
import type { ApiClient, FnRef } from '../api-client.js';
import { type BuildOptions, type BuiltImage, buildFolder, isBuildable } from '../build/build-folder.js';
import { type FuncFile, readFuncFile } from '../func-file/read-func-file.js';
import { remark } from '../terminal/output.js';
import { calledAt, checkDeployment, type Deployed, deploy, invokeUrl } from './deploy.js';

export interface FolderOptions extends BuildOptions {
  readonly app: string;
  readonly registry?: string | undefined;
  /** An image to run instead of building one. */
  readonly image?: string | undefined;
  /** False: run the image that func.yaml names. */
  readonly build: boolean;
  readonly prune: boolean;
}

export interface DeployedFolder {
  readonly fn: FnRef;
  /** What was done, in words for the output. */
  readonly lines: readonly string[];
}

/**
 * Builds the image of a function's folder if it can be built, and creates or updates the function. Shows progress, and
 * keys of func.yaml without effect, on standard error. An invalid function is neither built nor pushed.
 * @param signal cancels the build
 */
export async function deployFolder(
  api: ApiClient,
  folder: string,
  options: FolderOptions,
  signal?: AbortSignal,
): Promise<DeployedFolder> {
  const { app, prune } = options;
  const file = readFuncFile(folder, options);
  const { spec, triggers, notes } = file;
  for (const note of notes) remark(note);
  const { image, pinned } = await imageOf(folder, file, options, {
    signal,
    before: () => checkDeployment(api, app, { spec, triggers }),
  });
  signal?.throwIfAborted();
  const deployed = await deploy(api, app, { spec: { ...spec, image: pinned }, triggers }, { prune });
  return {
    fn: deployed.fn,
    lines: [
      `deployed ${spec.name} (${image}) in app ${app}`,
      `invoke it at ${invokeUrl(deployed.fn)}`,
      ...deployed.triggers.map((trigger) => `trigger ${trigger.name} at ${calledAt(trigger)}`),
      ...surplusLines(deployed, prune),
    ],
  };
}

async function imageOf(
  folder: string,
  file: FuncFile,
  options: FolderOptions,
  { signal, before }: { readonly signal: AbortSignal | undefined; readonly before: () => Promise<void> },
): Promise<BuiltImage> {
  const image = options.image ?? file.spec.image;
  const isReady = options.image !== undefined || file.namesImage || !options.build;
  const buildable = isBuildable(folder, file);
  if (!isReady && !buildable) {
    remark(
      `nothing is built, since there is no Dockerfile and func.yaml names no runtime: runners have to find ${printableLine(image, 200)}`,
    );
  }
  if (isReady || !buildable) return { image, pinned: image };
  await before();
  return buildFolder(folder, file, options, signal);
}

function surplusLines({ surplus, others }: Deployed, prune: boolean): string[] {
  const lines: string[] = [];
  if (surplus.length > 0) {
    const what = surplus.join(', ');
    lines.push(prune ? `removed ${what}` : `kept ${what}: no longer in func.yaml; --prune removes it`);
  }
  if (others.length > 0) lines.push(`kept, because deploy has not set it: ${others.join(', ')}`);
  return lines;
}
