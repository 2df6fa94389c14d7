/** An image on this machine. */
export interface LocalImage {
  readonly id: string;
  readonly sizeBytes: number;
  readonly tags: readonly string[];
}

/** Number and total size of images. Layers that images share count for each of them. */
export interface CacheLevels {
  readonly busyCount: number;
  readonly busyBytes: number;
  readonly idleCount: number;
  readonly idleBytes: number;
}

export interface ImageCacheOptions {
  /** Beyond this total size, idle images are to be removed. */
  readonly maxBytes: number;
  /** Images with one of these tags are ignored. */
  readonly exemptTags: readonly string[];
  /** The levels changed. @param crowded whether an idle image has to be removed */
  readonly onChange: (levels: CacheLevels, crowded: boolean) => void;
}

interface BusyImage {
  readonly image: LocalImage;
  holders: number;
}

/**
 * Tracks which images are in use and which can be removed, least recently used first.
 *
 *   saw ──▶ idle ⇄ busy          idle ──takeLeastRecent──▶ gone ──putBack──▶ idle
 *
 * A busy image is never offered for removal. An image that is gone may be held or seen again at any time.
 */
export class ImageCache {
  private readonly busy = new Map<string, BusyImage>();
  /** Least recently used first. */
  private readonly idle = new Map<string, LocalImage>();
  private readonly exempt: ReadonlySet<string>;
  private busyBytes = 0;
  private idleBytes = 0;

  constructor(private readonly options: ImageCacheOptions) {
    this.exempt = new Set(options.exemptTags);
  }

  get levels(): CacheLevels {
    const { busyBytes, idleBytes } = this;
    return { busyCount: this.busy.size, busyBytes, idleCount: this.idle.size, idleBytes };
  }

  /** Marks the image as busy until the returned function, which is idempotent, is called. */
  hold(image: LocalImage): () => void {
    if (this.isExempt(image)) return () => undefined;
    const entry = this.busy.get(image.id) ?? this.beginBusy(image);
    entry.holders += 1;
    this.changed();
    let held = true;
    return () => {
      if (held) this.letGo(entry);
      held = false;
    };
  }

  /** Records that the image is present and was used just now. */
  saw(image: LocalImage): void {
    if (this.isExempt(image) || this.busy.has(image.id)) return;
    this.beginIdle(image);
    this.changed();
  }

  /** Takes the next image to remove, which then counts as gone; undefined if none has to be removed. */
  takeLeastRecent(): LocalImage | undefined {
    const [oldest] = this.isCrowded ? this.idle.values() : [];
    if (oldest === undefined) return undefined;
    this.endIdle(oldest.id);
    this.changed();
    return oldest;
  }

  /** Returns an image that could not be removed. It becomes the most recently used, so it is retried last. */
  putBack(image: LocalImage): void {
    this.saw(image);
  }

  private get isCrowded(): boolean {
    return this.idleBytes > 0 && this.idleBytes + this.busyBytes >= this.options.maxBytes;
  }

  private isExempt({ tags }: LocalImage): boolean {
    return tags.some((tag) => this.exempt.has(tag));
  }

  private beginBusy(image: LocalImage): BusyImage {
    this.endIdle(image.id);
    const entry = { image, holders: 0 };
    this.busy.set(image.id, entry);
    this.busyBytes += image.sizeBytes;
    return entry;
  }

  private letGo(entry: BusyImage): void {
    entry.holders -= 1;
    if (entry.holders === 0) {
      this.busy.delete(entry.image.id);
      this.busyBytes -= entry.image.sizeBytes;
      this.beginIdle(entry.image);
    }
    this.changed();
  }

  private beginIdle(image: LocalImage): void {
    this.endIdle(image.id);
    this.idle.set(image.id, image);
    this.idleBytes += image.sizeBytes;
  }

  private endIdle(id: string): void {
    this.idleBytes -= this.idle.get(id)?.sizeBytes ?? 0;
    this.idle.delete(id);
  }

  private changed(): void {
    this.options.onChange(this.levels, this.isCrowded);
  }
}
