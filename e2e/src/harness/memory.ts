import { readFileSync } from 'node:fs';
import { KIB } from '@fnfleet/core';

const SAMPLE_MS = 10;

/** Memory of a process that is in RAM, bytes. */
export function residentBytes(pid: number): number {
  const line = readFileSync(`/proc/${pid}/status`, 'utf8').match(/^VmRSS:\s+(\d+) kB$/m);
  if (line === null) throw new Error(`process ${pid} has no memory`);
  return Number(line[1]) * KIB;
}

/** By how much a process grew at most while something went on, bytes. */
export async function growthDuring(pids: readonly number[], action: () => Promise<unknown>): Promise<number[]> {
  const before = pids.map(residentBytes);
  const most = [...before];
  const timer = setInterval(() => {
    pids.forEach((pid, index) => {
      most[index] = Math.max(most[index] ?? 0, residentBytes(pid));
    });
  }, SAMPLE_MS);
  try {
    await action();
  } finally {
    clearInterval(timer);
  }
  return most.map((bytes, index) => bytes - (before[index] ?? 0));
}
