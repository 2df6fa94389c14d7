/**
 * One call of a recorded workload, as a line of JSON. Balancers write it and the simulator replays it. It contains nothing of
 * what the call carried.
 */
export interface WorkloadRecord {
  /** Arrival, milliseconds since the recording began. Lines may be out of order. */
  readonly atMs: number;
  readonly appId: string;
  readonly fnId: string;
  readonly memoryMb: number;
  /** Execution time of the function, milliseconds. */
  readonly execMs: number;
  /** Start time of its container; undefined if the call found a hot container. */
  readonly initMs: number | undefined;
}

/** @returns one line, without line end */
export function encodeWorkloadRecord({ atMs, appId, fnId, memoryMb, execMs, initMs }: WorkloadRecord): string {
  return JSON.stringify({
    t_ms: rounded(atMs),
    app: appId,
    fn: fnId,
    memory_mb: memoryMb,
    exec_ms: rounded(execMs),
    init_ms: initMs === undefined ? undefined : rounded(initMs),
  });
}

/** @throws Error that names the field, what it held and what it must hold */
export function decodeWorkloadRecord(line: string): WorkloadRecord {
  const fields = parsed(line);
  return {
    atMs: numberOf(fields, 't_ms'),
    appId: textOf(fields, 'app'),
    fnId: textOf(fields, 'fn'),
    memoryMb: positiveOf(fields, 'memory_mb'),
    execMs: numberOf(fields, 'exec_ms'),
    initMs: fields.init_ms === undefined ? undefined : numberOf(fields, 'init_ms'),
  };
}

type Fields = Readonly<Record<string, unknown>>;

function parsed(line: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    // Reported below, with the content of the line.
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new Error(`expected a JSON object, got ${shown(line)}`);
}

function numberOf(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
  throw new Error(`${name}: expected a number that is not negative, got ${shown(value)}`);
}

function positiveOf(fields: Fields, name: string): number {
  const value = numberOf(fields, name);
  if (value > 0) return value;
  throw new Error(`${name}: expected a number above 0, got 0`);
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new Error(`${name}: expected a text that is not empty, got ${shown(value)}`);
}

/** To microseconds: clocks are no finer, and more digits would only make the file longer. */
function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
