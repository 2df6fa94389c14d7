import { type Command, InvalidArgumentError, Option } from 'commander';
import type { BuildOptions } from '../build/build-folder.js';
import { wholeNumber } from './options.js';

/** What `build` takes, and `deploy` as well. */
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
        'owner, registry or both, put before an image name that is made of name and version of func.yaml; an image that is built is pushed there',
      ).env('FN_REGISTRY'),
    )
    .option('--no-push', 'build for the engine of this machine only, also where a registry is named')
    .addOption(
      new Option('--build-arg <name=value>', 'an ARG of the Dockerfile; may be given several times')
        .default({}, 'none')
        .argParser(buildArg),
    )
    .option('--no-cache', 'run every step again')
    .option('--buildkit', 'build by BuildKit, for what only it takes: RUN --mount, here-documents, # syntax', false)
    .option(
      '--max-context <MiB>',
      'the most that the folder may have, without what .dockerignore names',
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
