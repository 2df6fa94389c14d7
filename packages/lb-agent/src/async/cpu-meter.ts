import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { type EventLoopUtilization, performance } from 'node:perf_hooks';

/** Resolves with the share of the CPU, from 0 to 1, that has been in use since the last call; 0 at first. */
export type CpuMeter = () => Promise<number>;

interface Times {
  readonly idle: number;
  readonly total: number;
}

/**
 * That of all cores of the machine, or of the one core that JavaScript of this process can use, whichever is more: a process may
 * have a quota, of which the figures of its machine say nothing.
 */
export function newCpuMeter(): CpuMeter {
  let before: Times | undefined;
  let loopBefore: EventLoopUtilization = performance.eventLoopUtilization();
  return async () => {
    const times = await readTimes();
    const total = times.total - (before?.total ?? times.total);
    const machine = total > 0 ? 1 - (times.idle - (before?.idle ?? 0)) / total : 0;
    before = times;
    const loop = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(loop, loopBefore);
    loopBefore = loop;
    return Math.max(machine, utilization);
  };
}

/** In any unit. `cpus()` also asks for the clock rate of each core, which takes milliseconds on large machines. */
async function readTimes(): Promise<Times> {
  const stat = await readFile('/proc/stat', 'latin1').catch(() => '');
  const all = /^cpu +([\d ]+)/.exec(stat)?.[1];
  if (all === undefined) {
    const times = cpus().map((cpu) => cpu.times);
    const sum = (of: (entry: (typeof times)[number]) => number) => times.reduce((total, entry) => total + of(entry), 0);
    return { idle: sum(({ idle }) => idle), total: sum((entry) => Object.values(entry).reduce((a, b) => a + b, 0)) };
  }
  // user, nice, system, idle, iowait, irq, softirq, steal; what follows is part of user and nice.
  const [user = 0, nice = 0, system = 0, idle = 0, waiting = 0, ...others] = all.split(' ').map(Number).slice(0, 8);
  const total = [user, nice, system, idle, waiting, ...others].reduce((a, b) => a + b, 0);
  return { idle: idle + waiting, total };
}
