import type { Readable } from 'node:stream';
import type { MonoMs } from '@fnfleet/core';
import type { ImagePull } from '../driver.js';
import { fieldsOf, linesOf, textOf } from './engine-answers.js';
import { EngineNonsenseError } from './engine-errors.js';

/** Maximum length of an error, which is shown to callers. */
const MAX_FAILURE_CHARACTERS = 4 * 1024;
/** Layers are named by a digest or its prefix. */
const MAX_LAYER_CHARACTERS = 100;
/** Maximum length of one piece of build output as JSON, where a character may take six. */
const MAX_LINE_CHARACTERS = 512 * 1024;

/** One progress message of the engine. Its texts come from a registry or a build, so they must be sanitized before display. */
export interface Progress {
  /** A piece of the output of a build. */
  readonly output?: string | undefined;
  /** The status of a pull or push; unset when the message only counts bytes. */
  readonly status?: string | undefined;
  /** The download progress of a layer of a pull. */
  readonly layer?: LayerProgress | undefined;
  /** The progress of a build by BuildKit, in its own format (BuildkitTrace). */
  readonly trace?: string | undefined;
  /** The id of the built image. */
  readonly imageId?: string | undefined;
  /** The digest of the pushed image. */
  readonly digest?: string | undefined;
}

/**
 * Reads the progress of a pull, load, build or push to its end.
 * @throws Error with the message of the engine: after a successful head, it reports a failure as a line
 */
export async function readProgress(
  answer: Readable,
  step: 'pull' | 'load' | 'build' | 'push',
  onProgress: (progress: Progress) => void = () => undefined,
): Promise<void> {
  let failure: string | undefined;
  try {
    for await (const line of linesOf(answer, MAX_LINE_CHARACTERS)) {
      const fields = fieldsIn(line);
      failure ??= textOf(fields.error)?.slice(0, MAX_FAILURE_CHARACTERS);
      onProgress(progressOf(fields));
    }
  } catch (cause) {
    if (cause instanceof EngineNonsenseError) throw cause;
    throw new Error(`the connection to the engine was lost during the ${step}`, { cause });
  }
  if (failure !== undefined) throw new Error(failure);
}

/** Empty for a truncated line. */
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

/** Ignores unpacking, which counts the same bytes again. */
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

/** More than any image has. Further layers are not counted. */
const MAX_LAYERS = 1_000;

/** Progress of one layer as reported by the engine, bytes. */
export interface LayerProgress {
  readonly layer: string;
  readonly receivedBytes: number;
  readonly totalBytes: number;
}

/** Sums up the progress of the layers of an image. */
export class PullProgress implements ImagePull {
  private readonly layers = new Map<string, LayerProgress>();

  constructor(readonly since: MonoMs) {}

  get receivedBytes(): number {
    return this.sum((layer) => layer.receivedBytes);
  }

  get totalBytes(): number {
    return this.sum((layer) => layer.totalBytes);
  }

  /** Records the progress of a layer. A layer that is downloaded again after a failure starts over. */
  update(progress: LayerProgress): void {
    if (this.layers.has(progress.layer) || this.layers.size < MAX_LAYERS) this.layers.set(progress.layer, progress);
  }

  private sum(part: (layer: LayerProgress) => number): number {
    let total = 0;
    for (const layer of this.layers.values()) total += part(layer);
    return total;
  }
}
