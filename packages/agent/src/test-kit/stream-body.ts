import { PassThrough } from 'node:stream';
import type { RequestBody } from '@fnfleet/core';

/** A request body that a test feeds by hand. */
export class StreamBody implements RequestBody {
  consumed = false;
  discarded = false;
  readonly source = new PassThrough();

  takeComplete(): undefined {
    return undefined;
  }

  stream(): PassThrough {
    return this.source.once('end', () => {
      this.consumed = true;
    });
  }

  discard(): void {
    this.discarded = true;
    this.source.destroy();
  }
}
