import type { MonoMs } from '@fnfleet/core';
import type { ImagePull } from '../../driver.js';

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
