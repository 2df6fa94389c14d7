import { readFileSync } from 'node:fs';

/** Clock ticks of /proc per second, on every Linux of today. */
const TICKS = 100;

/** CPU time that a process has used, user and system, in seconds. @param {number} pid */
export function cpuSecondsOf(pid) {
  const [, afterName = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
  const fields = afterName.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** Resident memory of a process, MiB. @param {number} pid */
export function residentMib(pid) {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) / 1024;
}

/**
 * CPU seconds that balancer and runner use during an action.
 * @template Result
 * @param {{ lbPid: number, runnerPid: number }} fleet
 * @param {() => Promise<Result>} action
 */
export async function withCpu({ lbPid, runnerPid }, action) {
  const before = { balancer: cpuSecondsOf(lbPid), runner: cpuSecondsOf(runnerPid) };
  const result = await action();
  const cpu = { balancer: cpuSecondsOf(lbPid) - before.balancer, runner: cpuSecondsOf(runnerPid) - before.runner };
  return { result, cpu };
}
