/** Decides what becomes a trace where requests come in. */
export interface TraceEntry {
  /** Headers, in lower case, that may carry a trace. */
  readonly headers: readonly string[];
  /** Whether a request that carries none becomes the first of a new one. Asked for each such request. */
  readonly begins: (isExplained: boolean) => boolean;
}

/** Without anything that records, traces are neither begun nor looked for. */
let entry: TraceEntry = { headers: [], begins: () => false };

/** For a whole process, like the globals of OpenTelemetry that it goes with. @returns what takes it back */
export function installTraceEntry(installed: TraceEntry): () => void {
  const before = entry;
  entry = installed;
  return () => {
    entry = before;
  };
}

/**
 * Whether a request belongs to a trace. One that does not costs nothing further: no ids are made for it, and no headers go
 * with it. This is why it is decided here, and not by the sampler of an SDK, which needs all that first.
 * @param carrier headers, with lower-case names
 */
export function entersTrace(carrier: Readonly<Record<string, unknown>>, isExplained: boolean): boolean {
  for (const name of entry.headers) if (carrier[name] !== undefined) return true;
  return entry.begins(isExplained);
}
