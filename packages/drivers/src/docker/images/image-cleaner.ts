import { type Clock, count, Deferred, type Logger, Once } from '@fnfleet/core';
import { isNotFound } from '../engine-errors.js';
import { type CacheLevels, ImageCache, type LocalImage } from './image-cache.js';

/** The engine as the cleaner uses it. */
export interface CleanerEngine {
  listImages(signal: AbortSignal): Promise<readonly LocalImage[]>;
  /** Fails for an image that a container or another image needs. */
  removeImage(id: string, signal: AbortSignal): Promise<void>;
}

interface ImageCleanerOptions {
  readonly engine: CleanerEngine;
  readonly maxBytes: number;
  readonly exemptTags: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Pause after each request: at most two removals or lists per second. */
const PAUSE_MS = 500;
/** Pause after the removal of every idle image has failed. */
const REST_MS = 60_000;

/** Removes the least recently used images while the total size of all images exceeds the limit. */
export class ImageCleaner {
  private readonly cache: ImageCache;
  private readonly gauges: ImageGauges;
  private readonly lifetime = new AbortController();
  private readonly closing = new Once(() => this.closeOnce());
  private running: Promise<void> = Promise.resolve();
  private crowded = new Deferred<void>();
  private failuresInARow = 0;

  constructor(private readonly options: ImageCleanerOptions) {
    const { maxBytes, exemptTags } = options;
    this.gauges = new ImageGauges(maxBytes);
    this.cache = new ImageCache({
      maxBytes,
      exemptTags,
      onChange: (levels, crowded) => {
        this.gauges.show(levels);
        if (crowded) this.crowded.resolve();
      },
    });
  }

  /** Keeps the image on this machine until the returned function is called. */
  hold(image: LocalImage): () => void {
    return this.cache.hold(image);
  }

  saw(image: LocalImage): void {
    this.cache.saw(image);
  }

  start(): void {
    this.running = this.run();
  }

  /** Idempotent, never rejects. */
  close(): Promise<void> {
    return this.closing.call();
  }

  private async run(): Promise<void> {
    await this.loadImageList();
    while (!this.lifetime.signal.aborted) {
      const image = this.cache.takeLeastRecent();
      if (image === undefined) await this.untilCrowded();
      else await this.removeOrPutBack(image);
    }
  }

  private async loadImageList(): Promise<void> {
    const { engine, clock, logger } = this.options;
    const { signal } = this.lifetime;
    while (!signal.aborted) {
      try {
        for (const image of await engine.listImages(signal)) this.cache.saw(image);
        return;
      } catch (error) {
        if (!signal.aborted) logger.warn('cannot list the images on this machine', { error });
      }
      await clock.sleep(PAUSE_MS, signal);
    }
  }

  private async untilCrowded(): Promise<void> {
    await this.crowded.promise;
    this.crowded = new Deferred();
  }

  private async removeOrPutBack(image: LocalImage): Promise<void> {
    const { engine, clock, logger } = this.options;
    const { signal } = this.lifetime;
    const fields = { image: image.tags[0] ?? image.id, bytes: image.sizeBytes };
    try {
      await engine.removeImage(image.id, signal);
      this.failuresInARow = 0;
      logger.info('removed an image to make room', fields);
    } catch (error) {
      if (!isNotFound(error)) {
        this.failuresInARow += 1;
        this.cache.putBack(image);
        if (!signal.aborted) logger.warn('cannot remove an image to make room', { ...fields, error });
      }
    }
    const hopeless = this.failuresInARow > 0 && this.failuresInARow >= this.cache.levels.idleCount;
    if (hopeless) this.failuresInARow = 0;
    await clock.sleep(hopeless ? REST_MS : PAUSE_MS, signal);
  }

  private async closeOnce(): Promise<void> {
    this.lifetime.abort();
    this.crowded.resolve();
    await this.running;
    this.gauges.close();
  }
}

const NONE: CacheLevels = { busyCount: 0, busyBytes: 0, idleCount: 0, idleBytes: 0 };

/** Reports the levels of one image cache as metrics, until `close`. */
class ImageGauges {
  private shown = NONE;

  constructor(private readonly maxBytes: number) {
    count('image_cleaner_max_img_size', maxBytes);
  }

  show(levels: CacheLevels): void {
    count('image_cleaner_busy_img_count', levels.busyCount - this.shown.busyCount);
    count('image_cleaner_busy_img_size', levels.busyBytes - this.shown.busyBytes);
    count('image_cleaner_idle_img_count', levels.idleCount - this.shown.idleCount);
    count('image_cleaner_idle_img_size', levels.idleBytes - this.shown.idleBytes);
    this.shown = levels;
  }

  close(): void {
    this.show(NONE);
    count('image_cleaner_max_img_size', -this.maxBytes);
  }
}
