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

/** Rejects when it takes longer: an answer that never comes is a failure like any other. */
export async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
