import { open } from 'node:fs/promises';
import { decodeTraceRecord, encodeTraceRecord, type TraceRecord } from '@fnfleet/placement';
import { type FunctionProfile, newCallTable, type Workload } from './workload.js';

/** What a start took where the trace does not tell, if it tells of none at all. */
const UNKNOWN_INIT_MS = 500;

/** @throws Error that names the file and the line that is wrong */
export async function readTrace(file: string): Promise<Workload> {
  const records: TraceRecord[] = [];
  let lineNumber = 0;
  await using handle = await open(file);
  for await (const line of handle.readLines()) {
    lineNumber += 1;
    if (line.trim() === '') continue;
    try {
      records.push(decodeTraceRecord(line));
    } catch (error) {
      throw new Error(`${file}, line ${lineNumber}: ${(error as Error).message}`);
    }
  }
  if (records.length === 0) throw new Error(`${file}: holds no calls`);
  return workloadOf(file, records);
}

/** The lines of a trace, each with its end. */
export function* traceLines({ functions, calls }: Workload): Generator<string> {
  for (let i = 0; i < calls.count; i += 1) {
    const { appId, fnId, memoryMb } = functions[calls.fn[i] as number] as FunctionProfile;
    const [atMs, execMs, initMs] = [calls.atMs[i], calls.execMs[i], calls.initMs[i]] as [number, number, number];
    yield `${encodeTraceRecord({ atMs, appId, fnId, memoryMb, execMs, initMs })}\n`;
  }
}

/** Calls that found a hot container get the start that is typical of the trace, should they now need one. */
export function workloadOf(name: string, records: readonly TraceRecord[]): Workload {
  const sorted = [...records].sort((a, b) => a.atMs - b.atMs);
  const usualInitMs = median(sorted.flatMap(({ initMs }) => initMs ?? [])) ?? UNKNOWN_INIT_MS;
  const functions: FunctionProfile[] = [];
  const indexes = new Map<string, number>();
  const calls = newCallTable(sorted.length);
  for (const [i, { atMs, appId, fnId, memoryMb, execMs, initMs = usualInitMs }] of sorted.entries()) {
    // A function whose memory was changed is another one from then on, as it is for the runner.
    const key = `${memoryMb} ${fnId}`;
    const fn = indexes.get(key) ?? functions.push({ appId, fnId, memoryMb }) - 1;
    indexes.set(key, fn);
    calls.atMs[i] = atMs;
    calls.fn[i] = fn;
    calls.execMs[i] = execMs;
    calls.initMs[i] = initMs;
  }
  return { name, functions, calls };
}

function median(values: number[]): number | undefined {
  return values.sort((a, b) => a - b)[values.length >> 1];
}
