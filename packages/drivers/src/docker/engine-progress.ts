import type { Readable } from 'node:stream';
import { fieldsOf, textOf } from './engine-answers.js';
import { EngineNonsenseError } from './engine-errors.js';
import { linesOf } from './engine-lines.js';
import type { LayerProgress } from './images/pull-progress.js';

/** Callers are told why an image cannot be pulled. */
const MAX_FAILURE_CHARACTERS = 4 * 1024;
/** Layers are called by a digest or the beginning of one. */
const MAX_LAYER_CHARACTERS = 100;
/** What a step of a build prints in one go, in JSON, where a character may take six. */
const MAX_LINE_CHARACTERS = 512 * 1024;

/** One thing that the engine says while it is at work. Whatever it prints comes from a registry or a build: show it with care. */
export interface Progress {
  /** Of a build: what is printed, piece by piece. */
  readonly output?: string | undefined;
  /** Of a pull or push: what happens. Not there when it only counts bytes. */
  readonly status?: string | undefined;
  /** Of a pull: how far the download of a layer is. */
  readonly layer?: LayerProgress | undefined;
  /** Of a build by BuildKit: how far it is, in its own form (BuildkitTrace). */
  readonly trace?: string | undefined;
  /** Of the image that was built. */
  readonly imageId?: string | undefined;
  /** Of the image that was pushed. */
  readonly digest?: string | undefined;
}

/**
 * Reads what the engine says while it pulls, loads, builds or pushes, to the end.
 * @throws Error with the engine's words: the head of its answer was good, a failure after that is a line of it
 */
export async function readProgress(
  answer: Readable,
  step: 'pull' | 'load' | 'build' | 'push',
  onProgress: (progress: Progress) => void = () => undefined,
): Promise<void> {
  let failure: string | undefined;
  try {
    for await (const line of linesOf(answer, MAX_LINE_CHARACTERS)) {
      const said = fieldsIn(line);
      failure ??= textOf(said.error)?.slice(0, MAX_FAILURE_CHARACTERS);
      onProgress(progressOf(said));
    }
  } catch (cause) {
    if (cause instanceof EngineNonsenseError) throw cause;
    throw new Error(`the connection to the engine was lost during the ${step}`, { cause });
  }
  if (failure !== undefined) throw new Error(failure);
}

/** A line that was cut off says nothing. */
function fieldsIn(line: string): Readonly<Record<string, unknown>> {
  try {
    return fieldsOf(JSON.parse(line));
  } catch {
    return {};
  }
}

function progressOf({ stream, status, id, progressDetail, aux }: Readonly<Record<string, unknown>>): Progress {
  const { ID, Digest } = fieldsOf(aux);
  const counts = Object.keys(fieldsOf(progressDetail)).length > 0;
  const what = counts ? undefined : textOf(status);
  const whose = textOf(id);
  return {
    output: textOf(stream),
    status: what !== undefined && whose !== undefined ? `${whose}: ${what}` : what,
    layer: layerOf(whose, textOf(status), fieldsOf(progressDetail)),
    trace: id === 'moby.buildkit.trace' ? textOf(aux) : undefined,
    imageId: textOf(ID),
    digest: textOf(Digest),
  };
}

/** Nothing while it is unpacked: that counts the same bytes once more. */
function layerOf(
  layer: string | undefined,
  status: string | undefined,
  { current, total }: Readonly<Record<string, unknown>>,
): LayerProgress | undefined {
  if (layer === undefined || layer.length > MAX_LAYER_CHARACTERS || status !== 'Downloading') return undefined;
  if (!isCount(current) || !isCount(total)) return undefined;
  return { layer, receivedBytes: Math.min(current, total), totalBytes: total };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
