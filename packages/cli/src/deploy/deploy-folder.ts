import { printableLine } from '@fnfleet/core';
import type { ApiClient, FnRef } from '../api-client.js';
import { type BuildOptions, type BuiltImage, buildFolder, isBuildable } from '../build/build-folder.js';
import { type FuncFile, readFuncFile } from '../func-file/read-func-file.js';
import { remark } from '../terminal/say.js';
import { checkDeployment, type Deployed, deploy, invokeUrl, triggerUrl } from './deploy.js';

export interface FolderOptions extends BuildOptions {
  readonly app: string;
  readonly registry?: string | undefined;
  /** Run in place of one that is built. */
  readonly image?: string | undefined;
  /** False: what func.yaml names is run. */
  readonly build: boolean;
  readonly prune: boolean;
}

export interface DeployedFolder {
  readonly fn: FnRef;
  /** What was done, for whoever asked for it. */
  readonly lines: readonly string[];
}

/**
 * Builds what can be built of a function's folder, and creates or updates the function. What is done, and what func.yaml has
 * to no effect, is shown on standard error. A function that would be refused is neither built nor pushed.
 * @param signal gives the build up
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
      ...deployed.triggers.map((trigger) => `trigger ${trigger.name} at ${triggerUrl(trigger)}`),
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
  if (others.length > 0) lines.push(`left alone, since deploy has not set it: ${others.join(', ')}`);
  return lines;
}
