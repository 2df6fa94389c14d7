/** What the containers of a scripted driver did so far. Each counts events; `live` counts what is there now. */
export class Counters {
  prepared = 0;
  released = 0;
  created = 0;
  started = 0;
  listening = 0;
  paused = 0;
  resumed = 0;
  closed = 0;
  /** The most that were there at one time. */
  peak = 0;

  /** Images that were prepared and not released. */
  get heldImages(): number {
    return this.prepared - this.released;
  }

  get live(): number {
    return this.created - this.closed;
  }
}
