import { type Clock, FnError, type Logger, later, type MonoMs, nanoseconds, type SettingsOf } from '@fnfleet/core';
import type { ContainerSpec, ImagePull, PreparedImage } from '../../driver.js';
import { untilAborted } from '../../waiting.js';
import type { imageSettings } from '../docker-settings.js';
import type { Engine, InspectedImage } from '../engine.js';
import { fnErrorFromDocker } from '../engine-errors.js';
import { ImageCleaner } from './image-cleaner.js';
import { ImagePuller, PullRetry } from './image-puller.js';
import { parseImageReference } from './image-reference.js';
import { RegistryCredentials } from './registry-credentials.js';

export interface ImageStoreOptions {
  readonly engine: Engine;
  readonly settings: SettingsOf<typeof imageSettings>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How long an inspected image is assumed to be present, milliseconds. A failed creation overrides that. */
const TRUST_MS = 10_000;

/** How `fnfleet deploy` names an image that was not pushed. */
const IMAGE_ID = /^sha256:[0-9a-f]{64}$/;

/** An image, and the extensions of the call that needs it. */
type Wanted = Pick<ContainerSpec, 'image' | 'extensions'>;

/** The images of one engine: pulls the images that are needed, and removes old ones when there are too many. */
export class ImageStore {
  private readonly engine: Engine;
  private readonly settings: SettingsOf<typeof imageSettings>;
  private readonly clock: Clock;
  private readonly credentials: RegistryCredentials;
  private readonly puller: ImagePuller;
  /** Undefined if images are never removed. */
  private readonly cleaner: ImageCleaner | undefined;
  private readonly lifetime = new AbortController();
  /** Pending inspections by image, shared by a burst of first calls. */
  private readonly questions = new Map<string, Promise<InspectedImage | undefined>>();
  /** Recently inspected images, by name. */
  private readonly seen = new Map<string, { readonly image: InspectedImage; readonly until: MonoMs }>();

  constructor({ engine, settings, clock, logger }: ImageStoreOptions) {
    this.engine = engine;
    this.settings = settings;
    this.clock = clock;
    this.credentials = new RegistryCredentials(settings, logger);
    const retry = new PullRetry(policyOf(settings), clock);
    this.puller = new ImagePuller(
      (reference, auth, signal, progress) =>
        retry.run(() => engine.pullImage(reference, auth, signal, (layer) => progress.update(layer)), signal),
      clock,
    );
    if (settings.imageCleanMaxBytes > 0) {
      this.cleaner = new ImageCleaner({
        engine,
        maxBytes: settings.imageCleanMaxBytes,
        exemptTags: settings.imageCleanExemptTags,
        clock,
        logger,
      });
    }
  }

  /**
   * Loads the configured archive and starts the cleaner.
   * @throws Error that names the file that cannot be loaded
   */
  async open(): Promise<void> {
    const { imageLoadFile } = this.settings;
    if (imageLoadFile !== undefined) {
      await this.engine.loadImages(imageLoadFile, this.lifetime.signal).catch((cause) => {
        const reason = (cause as Error).message;
        throw new Error(`FN_DOCKER_LOAD_FILE: cannot load images from ${JSON.stringify(imageLoadFile)}: ${reason}`, {
          cause,
        });
      });
    }
    if (!this.lifetime.signal.aborted) this.cleaner?.start();
  }

  /**
   * Makes sure that the image is present, and keeps it until it is released.
   * @param onPull called if it has to be pulled
   * @throws FnError `imageNameInvalid`, `imagePullFailed`, `imageHasVolume`; `serverBusy` if it was removed again at once; CancelledError
   */
  async prepare(
    { image, extensions }: Wanted,
    signal: AbortSignal,
    onPull?: (pull: ImagePull) => void,
  ): Promise<PreparedImage> {
    parseImageReference(image);
    const here = await this.hold(image, signal);
    if (here !== undefined) return { pullNs: 0, release: here };
    const startedAt = this.clock.now();
    await this.pull(image, extensions, AbortSignal.any([signal, this.lifetime.signal]), onPull);
    const pulled = await this.hold(image, signal);
    // Another runner of this engine may have removed it.
    if (pulled === undefined) throw new FnError('serverBusy');
    return { pullNs: nanoseconds(this.clock.now() - startedAt), release: pulled };
  }

  /** Call it when a container could not be created from the image, which may be gone. */
  forget(name: string): void {
    this.seen.delete(name);
  }

  /** Aborts pulls in progress. Idempotent, never rejects. */
  async close(): Promise<void> {
    this.lifetime.abort();
    await this.cleaner?.close();
  }

  private async pull(
    image: string,
    extensions: Wanted['extensions'],
    signal: AbortSignal,
    onPull: ((pull: ImagePull) => void) | undefined,
  ): Promise<void> {
    if (IMAGE_ID.test(image)) throw notByItsId(image);
    const reference = parseImageReference(image);
    try {
      await this.puller.pull(reference, await this.credentials.find(reference, extensions), signal, onPull);
    } catch (error) {
      throw fnErrorFromDocker(error, 'pull', image);
    }
  }

  /** Returns a function that releases the image; undefined if it is not present. */
  private async hold(name: string, signal: AbortSignal): Promise<(() => void) | undefined> {
    const image = await untilAborted(this.look(name), signal);
    if (image === undefined) return undefined;
    if (image.declaresVolume && !this.settings.enableVolumes) {
      this.cleaner?.saw(image);
      throw new FnError('imageHasVolume');
    }
    return this.cleaner?.hold(image) ?? (() => undefined);
  }

  private async look(name: string): Promise<InspectedImage | undefined> {
    const found = this.seen.get(name);
    if (found && this.clock.now() < found.until) return found.image;
    this.seen.delete(name);
    const image = await this.ask(name);
    // With a cleaner it may be removed at any time.
    if (image && this.cleaner === undefined) this.remember(name, image);
    return image;
  }

  private remember(name: string, image: InspectedImage): void {
    const now = this.clock.now();
    // In insertion order, so the expired entries come first.
    for (const [other, { until }] of this.seen) {
      if (until > now) break;
      this.seen.delete(other);
    }
    this.seen.set(name, { image, until: later(now, TRUST_MS) });
  }

  private ask(name: string): Promise<InspectedImage | undefined> {
    const asked = this.questions.get(name);
    if (asked) return asked;
    const answer = this.engine
      .inspectImage(name, this.lifetime.signal)
      .catch((error) => {
        throw fnErrorFromDocker(error, 'inspect', name);
      })
      .finally(() => this.questions.delete(name));
    this.questions.set(name, answer);
    return answer;
  }
}

/** A registry would take the id for a tag of an image called `sha256`. */
function notByItsId(image: string): FnError {
  const reason =
    'it is not on this engine, and registries cannot find an image by its id; deploy the function again, with --registry if runners have their own engines';
  return new FnError('imagePullFailed', { params: { image, reason }, status: 404 });
}

function policyOf(settings: SettingsOf<typeof imageSettings>) {
  return {
    maxRetries: settings.pullMaxRetries,
    intervalMs: settings.pullRetryIntervalMs,
    minDelayMs: settings.pullRetryMinDelayMs,
    maxDelayMs: settings.pullRetryMaxDelayMs,
  };
}
