import { open } from 'node:fs/promises';
import { decodeWorkloadRecord, encodeWorkloadRecord, type WorkloadRecord } from '@fnfleet/placement';
import { type FunctionProfile, newCallTable, type Workload } from './workload.js';

/** Start time assumed where the file records none. */
const UNKNOWN_INIT_MS = 500;

/** @throws Error that names the file and the line that is wrong */
export async function readWorkload(file: string): Promise<Workload> {
  const records: WorkloadRecord[] = [];
  let lineNumber = 0;
  await using handle = await open(file);
  for await (const line of handle.readLines()) {
    lineNumber += 1;
    if (line.trim() === '') continue;
    try {
      records.push(decodeWorkloadRecord(line));
    } catch (error) {
      throw new Error(`${file}, line ${lineNumber}: ${(error as Error).message}`);
    }
  }
  if (records.length === 0) throw new Error(`${file}: holds no calls`);
  return workloadOf(file, records);
}

/** The lines of a workload file, with line ends. */
export function* workloadLines({ functions, calls }: Workload): Generator<string> {
  for (let i = 0; i < calls.count; i += 1) {
    const { appId, fnId, memoryMb } = functions[calls.fn[i] as number] as FunctionProfile;
    const [atMs, execMs, initMs] = [calls.atMs[i], calls.execMs[i], calls.initMs[i]] as [number, number, number];
    yield `${encodeWorkloadRecord({ atMs, appId, fnId, memoryMb, execMs, initMs })}\n`;
  }
}

/** Calls that found a hot container get the median start time of the file, in case they need a start now. */
export function workloadOf(name: string, records: readonly WorkloadRecord[]): Workload {
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
