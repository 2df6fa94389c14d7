import { createInterface } from 'node:readline';

/**
 * Reads what the engine says while it pulls or loads, to the end.
 * @throws Error with the engine's words: the head of its answer was good, a failure after that is a line of it
 */
export async function readProgress(progress: NodeJS.ReadableStream, step: 'pull' | 'load'): Promise<void> {
  let failure: string | undefined;
  try {
    for await (const line of createInterface({ input: progress })) failure ??= failureIn(line);
  } catch (cause) {
    throw new Error(`the connection to the engine was lost during the ${step}`, { cause });
  }
  if (failure !== undefined) throw new Error(failure);
}

/** A line that was cut off says nothing. */
function failureIn(line: string): string | undefined {
  try {
    return (JSON.parse(line) as { error?: string }).error;
  } catch {
    return undefined;
  }
}
