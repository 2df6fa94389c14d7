/** Decides which incoming requests are traced. */
export interface TraceEntry {
  /** Headers that may carry a trace, in lower case. */
  readonly headers: readonly string[];
  /** Whether to start a new trace for a request without one. Called for each such request. */
  readonly begins: (isExplained: boolean) => boolean;
}

/** Without a recorder, traces are neither started nor read. */
let entry: TraceEntry = { headers: [], begins: () => false };

/** Process-wide, like the globals of OpenTelemetry. @returns a function that resets it */
export function installTraceEntry(installed: TraceEntry): () => void {
  const before = entry;
  entry = installed;
  return () => {
    entry = before;
  };
}

/**
 * Whether a request belongs to a trace. A request that does not has no further cost: no ids are generated and no headers are
 * sent. That is why the decision is made here and not in the sampler of an SDK, which needs all of this first.
 * @param carrier headers, with lower-case names
 */
export function entersTrace(carrier: Readonly<Record<string, unknown>>, isExplained: boolean): boolean {
  for (const name of entry.headers) if (carrier[name] !== undefined) return true;
  return entry.begins(isExplained);
}
