import type fc from 'fast-check';

/** A border of the system that gets drawn inputs. */
export interface FuzzTarget {
  readonly name: string;
  /** Fresh for each round. */
  open(): Promise<OpenTarget>;
}

export interface OpenTarget {
  /** Sends one input, and checks what came of it; an ordinary use of the border then has to work. */
  readonly property: fc.IAsyncProperty<unknown>;
  /** Rejects when something is held that should not be. */
  settled(): Promise<void>;
  close(): Promise<void>;
}
