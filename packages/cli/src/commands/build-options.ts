import { type Command, InvalidArgumentError, Option } from 'commander';
import type { BuildOptions } from '../build/build-folder.js';
import { wholeNumber } from './options.js';

/** Options that `build` and `deploy` share. */
export interface BuildFlags {
  readonly registry?: string;
  readonly push: boolean;
  readonly buildArg: Readonly<Record<string, string>>;
  readonly cache: boolean;
  readonly buildkit: boolean;
  readonly maxContext: number;
}

export function withBuildOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--registry <prefix>',
        'owner, registry or both: prefix for an image name that is made of name and version in func.yaml; a built image is pushed there',
      ).env('FN_REGISTRY'),
    )
    .option('--no-push', 'keep the image on the engine of this machine, even if a registry is given')
    .addOption(
      new Option('--build-arg <name=value>', 'an ARG of the Dockerfile; repeatable')
        .default({}, 'none')
        .argParser(buildArg),
    )
    .option('--no-cache', 'run every step again')
    .option('--buildkit', 'build with BuildKit, which RUN --mount, here-documents and # syntax need', false)
    .option(
      '--max-context <MiB>',
      'maximum size of the folder, without the files that .dockerignore excludes',
      wholeNumber(1, 1_000_000),
      1024,
    );
}

export function buildOptionsOf({
  registry,
  push,
  buildArg: buildArgs,
  cache,
  buildkit,
  maxContext,
}: BuildFlags): BuildOptions {
  return { push: push && Boolean(registry), buildArgs, buildkit, noCache: !cache, maxContextMib: maxContext };
}

function buildArg(text: string, before: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const [, name, value] = /^(\w+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new InvalidArgumentError('expected name=value.');
  return { ...before, [name]: value };
}
