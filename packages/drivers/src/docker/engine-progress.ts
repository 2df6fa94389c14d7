import type { Readable } from 'node:stream';
import { fieldsOf, textOf } from './engine-answers.js';
import { EngineNonsenseError } from './engine-errors.js';
import { linesOf } from './engine-lines.js';

/** Callers are told why an image cannot be pulled. */
const MAX_FAILURE_CHARACTERS = 4 * 1024;

/**
 * Reads what the engine says while it pulls or loads, to the end.
 * @throws Error with the engine's words: the head of its answer was good, a failure after that is a line of it
 */
export async function readProgress(progress: Readable, step: 'pull' | 'load'): Promise<void> {
  let failure: string | undefined;
  try {
    for await (const line of linesOf(progress)) failure ??= failureIn(line);
  } catch (cause) {
    if (cause instanceof EngineNonsenseError) throw cause;
    throw new Error(`the connection to the engine was lost during the ${step}`, { cause });
  }
  if (failure !== undefined) throw new Error(failure);
}

/** A line that was cut off says nothing. */
function failureIn(line: string): string | undefined {
  try {
    const { error } = fieldsOf(JSON.parse(line));
    return textOf(error)?.slice(0, MAX_FAILURE_CHARACTERS);
  } catch {
    return undefined;
  }
}
