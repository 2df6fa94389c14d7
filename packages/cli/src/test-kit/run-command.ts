import { main } from '../main.js';

/** The output of a command and its exit code. */
export interface CommandRun {
  /** Standard output and standard error, interleaved as written. */
  readonly output: string;
  readonly stdout: string;
  readonly code: number;
}

/**
 * Runs `fnfleet` in this process, as from a shell. Only one at a time, because it captures the output of the process.
 */
export async function runCommand(...args: string[]): Promise<CommandRun> {
  let output = '';
  let stdout = '';
  const keep = (text: string | Uint8Array) => {
    output += String(text);
    return true;
  };
  const keepStdout = (text: string | Uint8Array) => {
    stdout += String(text);
    return keep(text);
  };
  const spies = [
    jest.spyOn(process.stdout, 'write').mockImplementation(keepStdout as never),
    jest.spyOn(process.stderr, 'write').mockImplementation(keep as never),
  ];
  const forgetListeners = listenersFrom(process.stdout);
  process.exitCode = undefined;
  try {
    await main(['node', 'fnfleet', ...args]);
  } finally {
    forgetListeners();
    for (const spy of spies) spy.mockRestore();
  }
  return { output, stdout, code: Number(process.exitCode ?? 0) };
}

/**
 * A command may leave listeners on its output, because its process ends after it. Here they would add up from command to command,
 * until Node's warning of a leak is part of the output of one of them. Tests that ran before in this process may have left some too.
 * @returns a function that removes the listeners that were added meanwhile
 */
function listenersFrom(stream: NodeJS.EventEmitter): () => void {
  const known = new Map(stream.eventNames().map((event) => [event, stream.rawListeners(event)]));
  const limit = stream.getMaxListeners();
  stream.setMaxListeners(0);
  return () => {
    stream.setMaxListeners(limit);
    for (const event of stream.eventNames()) {
      const added = stream.rawListeners(event).filter((listener) => !known.get(event)?.includes(listener));
      for (const listener of added) stream.removeListener(event, listener as () => void);
    }
  };
}
