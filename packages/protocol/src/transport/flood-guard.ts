import { ConnectionError, H2_ERROR } from './wire.js';

/**
 * Between two looks. A balancer resets the streams of callers who leave, which may be all at once; what such a stream holds
 * goes at once, so this bounds the work, not the memory. Frames that bring nothing cost still less.
 */
const MAX_RESETS_PER_LOOK = 100_000;
const MAX_IDLE_FRAMES_PER_LOOK = 200_000;

/** Counts what a peer can repeat at no cost of its own. */
export class FloodGuard {
  private resets = 0;
  private idleFrames = 0;

  /** A frame has come that brings nothing. @throws ConnectionError when there are too many */
  noteIdle(): void {
    this.idleFrames += 1;
    if (this.idleFrames > MAX_IDLE_FRAMES_PER_LOOK) {
      throw new ConnectionError(H2_ERROR.ENHANCE_YOUR_CALM, 'too many frames that bring nothing');
    }
  }

  /** The peer has reset a stream. @throws ConnectionError when there are too many */
  noteReset(): void {
    this.resets += 1;
    if (this.resets > MAX_RESETS_PER_LOOK) {
      throw new ConnectionError(H2_ERROR.ENHANCE_YOUR_CALM, 'too many streams opened and reset');
    }
  }

  /** To be called every few seconds: counting starts over. */
  look(): void {
    this.resets = 0;
    this.idleFrames = 0;
  }
}
