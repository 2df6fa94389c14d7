import { readFileSync } from 'node:fs';

/** Clock ticks of /proc a second: what Linux has on every machine of today. */
const TICKS = 100;

/** CPU that a process has used, seconds. */
export function cpuSecondsOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** Resident memory of a process, MiB. */
export function residentMib(pid) {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) / 1024;
}

/** CPU seconds that processes used while something was done, one after the other. */
export async function withCpu(pids, action) {
  const before = pids.map(cpuSecondsOf);
  const result = await action();
  return { result, cpu: pids.map((pid, at) => cpuSecondsOf(pid) - before[at]) };
}
