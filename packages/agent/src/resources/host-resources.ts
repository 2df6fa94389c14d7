import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { GIB, type Logger, MIB } from '@fnfleet/core';
import type { Resources } from './resource-tracker.js';

/** Contents of the files that describe the resources of this machine; undefined if a file is missing. */
export interface HostFiles {
  readonly meminfo: string | undefined;
  readonly cpuinfo: string | undefined;
  /** Every memory limit from our cgroup up to the root: `memory.max` of v2, `memory.limit_in_bytes` of v1. */
  readonly memoryLimits: readonly string[];
  /** Every CPU limit on that path: `cpu.max` of v2, or quota and period of v1 joined by a space. */
  readonly cpuLimits: readonly string[];
}

export interface ResourceCaps {
  /** Memory that the driver needs for itself. */
  readonly driverMemoryMb?: number | undefined;
  /** 0: no limit. */
  readonly maxTotalMemoryBytes: number;
  readonly maxTotalCpuMillis: number;
}

/** The machine cannot run functions. */
export class HostResourcesError extends Error {
  override readonly name = 'HostResourcesError';
}

const MIN_HEADROOM = 256 * MIB;
const MAX_HEADROOM = 5 * GIB;
/** Assumed where the kernel does not report its memory. */
const UNKNOWN_MEMORY = 2 * GIB;

/**
 * The resources of this machine for containers: what is available and allowed, minus a tenth for everything else and the needs
 * of the driver. The caps lower the result and are not reduced themselves.
 * @throws HostResourcesError
 */
export function hostResources(files: HostFiles, caps: ResourceCaps, log: Logger): Resources {
  const totals = {
    memoryBytes: capped(memoryTotal(files, caps.driverMemoryMb ?? 0), caps.maxTotalMemoryBytes),
    cpuMillis: capped(cpuTotal(files), caps.maxTotalCpuMillis),
  };
  if (totals.memoryBytes < MIN_HEADROOM) log.warn('little memory for functions', { bytes: totals.memoryBytes });
  if (totals.cpuMillis < 1000) log.warn('less than one core for functions', { cpuMillis: totals.cpuMillis });
  return totals;
}

/** Reads the files of this machine. */
export function readHostFiles(root = '/'): HostFiles {
  const read = (path: string) => readText(`${root}${path}`);
  const groups = parseOwnCgroups(read('proc/self/cgroup') ?? '');
  const memory = groups.memory.map((path) => read(`sys/fs/cgroup/memory${path}/memory.limit_in_bytes`));
  const cpu = groups.cpu.map((path) => {
    const quota = read(`sys/fs/cgroup/cpu${path}/cpu.cfs_quota_us`);
    const period = read(`sys/fs/cgroup/cpu${path}/cpu.cfs_period_us`);
    return quota && period ? `${quota.trim()} ${period.trim()}` : undefined;
  });
  return {
    meminfo: read('proc/meminfo'),
    cpuinfo: read('proc/cpuinfo'),
    memoryLimits: present([...memory, ...groups.unified.map((path) => read(`sys/fs/cgroup${path}/memory.max`))]),
    cpuLimits: present([...cpu, ...groups.unified.map((path) => read(`sys/fs/cgroup${path}/cpu.max`))]),
  };
}

/** `MemAvailable` in bytes; undefined when the line is missing or in an unknown unit. */
export function parseMemAvailable(meminfo: string): number | undefined {
  const [, amount, unit] = /^MemAvailable:\s*(\d+)\s*(kB|MB)\s*$/m.exec(meminfo) ?? [];
  return amount === undefined ? undefined : Number(amount) * (unit === 'kB' ? 1024 : MIB);
}

export function parseProcessors(cpuinfo: string): number {
  return cpuinfo.match(/^processor\s*:\s*\d+/gm)?.length ?? 0;
}

/** Bytes; `max` and the huge number that v1 uses for "no limit" are no limit. */
export function parseMemoryLimit(text: string): number {
  return /^\d+$/.test(text.trim()) ? Number(text) : Number.POSITIVE_INFINITY;
}

/** Quota and period in microseconds, as thousandths of a core. A quota of `max` or below one is no limit. */
export function parseCpuLimit(text: string): number {
  const [quota, period] = text.trim().split(/\s+/).map(Number);
  if (quota === undefined || period === undefined || !(quota > 0) || !(period > 0)) return Number.POSITIVE_INFINITY;
  return Math.floor((quota * 1000) / period);
}

/** The cgroups of our process: for each hierarchy every path from our group up to the root (empty). */
export function parseOwnCgroups(text: string): { memory: string[]; cpu: string[]; unified: string[] } {
  // The root is always included: in a container it has the container's own limits.
  const groups = { memory: [''], cpu: [''], unified: [''] };
  for (const line of text.split('\n')) {
    const [id, controllers = '', path = '/'] = line.split(':');
    const names = controllers.split(',');
    if (id === '0' && controllers === '') groups.unified = pathsUpwards(path);
    if (names.includes('memory')) groups.memory = pathsUpwards(path);
    if (names.includes('cpu')) groups.cpu = pathsUpwards(path);
  }
  return groups;
}

function pathsUpwards(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '');
  return [...parts.keys(), parts.length]
    .map((depth) =>
      parts
        .slice(0, depth)
        .map((part) => `/${part}`)
        .join(''),
    )
    .reverse();
}

function memoryTotal(files: HostFiles, driverMemoryMb: number): number {
  if (files.meminfo === undefined) return UNKNOWN_MEMORY;
  const available = parseMemAvailable(files.meminfo);
  if (available === undefined) throw new HostResourcesError('/proc/meminfo has no MemAvailable in kB or MB');
  const usable = Math.min(available, ...files.memoryLimits.map(parseMemoryLimit));
  if (usable <= MIN_HEADROOM) throw new HostResourcesError(`Not enough memory: ${usable}`);
  const headroom = Math.min(Math.max(Math.floor(usable / 10) + driverMemoryMb * MIB, MIN_HEADROOM), MAX_HEADROOM);
  return usable - headroom;
}

function cpuTotal(files: HostFiles): number {
  const processors = parseProcessors(files.cpuinfo ?? '') || availableParallelism();
  const total = Math.min(processors * 1000, ...files.cpuLimits.map(parseCpuLimit));
  if (total <= 0) throw new HostResourcesError('the CPU quota of this process is less than a thousandth of a core');
  return total;
}

function capped(total: number, cap: number): number {
  return cap > 0 ? Math.min(total, cap) : total;
}

function present(texts: readonly (string | undefined)[]): string[] {
  return texts.filter((text) => text !== undefined);
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
