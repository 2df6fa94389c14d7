import { count } from '@fnfleet/core';
import type { CacheLevels } from './image-cache.js';

const NONE: CacheLevels = { busyCount: 0, busyBytes: 0, idleCount: 0, idleBytes: 0 };

/** Reports the levels of one image cache as metrics, until `close`. */
export class ImageGauges {
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
