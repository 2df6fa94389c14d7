import type { MonoMs } from '@fnfleet/core';
import type { ImagePull } from '../../driver.js';

/** More than any image has. Layers beyond are not counted. */
const MAX_LAYERS = 1_000;

/** How far one layer is, as the engine tells. Bytes. */
export interface LayerProgress {
  readonly layer: string;
  readonly receivedBytes: number;
  readonly totalBytes: number;
}

/** Adds up how far the layers of an image are. */
export class PullProgress implements ImagePull {
  private readonly layers = new Map<string, LayerProgress>();

  constructor(readonly since: MonoMs) {}

  get receivedBytes(): number {
    return this.sum((layer) => layer.receivedBytes);
  }

  get totalBytes(): number {
    return this.sum((layer) => layer.totalBytes);
  }

  /** A layer that is downloaded again, after a failure, begins anew. */
  told(progress: LayerProgress): void {
    if (this.layers.has(progress.layer) || this.layers.size < MAX_LAYERS) this.layers.set(progress.layer, progress);
  }

  private sum(part: (layer: LayerProgress) => number): number {
    let total = 0;
    for (const layer of this.layers.values()) total += part(layer);
    return total;
  }
}
