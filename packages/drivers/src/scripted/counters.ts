/** Counts what the containers of a scripted driver have done so far; `live` is how many exist now. */
export class Counters {
  prepared = 0;
  released = 0;
  created = 0;
  started = 0;
  listening = 0;
  paused = 0;
  resumed = 0;
  closed = 0;
  /** The highest number of live containers so far. */
  peak = 0;

  /** Images that were prepared and not released. */
  get heldImages(): number {
    return this.prepared - this.released;
  }

  get live(): number {
    return this.created - this.closed;
  }
}
