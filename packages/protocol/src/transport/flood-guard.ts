import { ConnectionError, H2_ERROR } from './wire.js';

/**
 * Limit between two looks. A balancer resets the streams of callers who leave, possibly all at once; such a stream releases its
 * memory at once, so this limits work, not memory. Empty frames cost even less.
 */
const MAX_RESETS_PER_LOOK = 100_000;
const MAX_IDLE_FRAMES_PER_LOOK = 200_000;

/** Counts what a peer can repeat at no cost of its own. */
export class FloodGuard {
  private resets = 0;
  private idleFrames = 0;

  /** A useless frame has arrived. @throws ConnectionError if there are too many */
  noteIdle(): void {
    this.idleFrames += 1;
    if (this.idleFrames > MAX_IDLE_FRAMES_PER_LOOK) {
      throw new ConnectionError(H2_ERROR.ENHANCE_YOUR_CALM, 'too many frames that bring nothing');
    }
  }

  /** The peer has reset a stream. @throws ConnectionError if there are too many */
  noteReset(): void {
    this.resets += 1;
    if (this.resets > MAX_RESETS_PER_LOOK) {
      throw new ConnectionError(H2_ERROR.ENHANCE_YOUR_CALM, 'too many streams opened and reset');
    }
  }

  /** Must be called every few seconds: counting starts over. */
  look(): void {
    this.resets = 0;
    this.idleFrames = 0;
  }
}
