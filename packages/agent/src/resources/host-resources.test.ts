import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { GIB, MIB, silentLogger } from '@fnfleet/core';
import {
  type HostFiles,
  hostResources,
  parseCpuLimit,
  parseMemAvailable,
  parseMemoryLimit,
  parseOwnCgroups,
  parseProcessors,
  readHostFiles,
} from './host-resources.js';

const files = (over: Partial<HostFiles> = {}): HostFiles => ({
  meminfo: `MemTotal:  9999999 kB\nMemAvailable:    ${8 * 1024 * 1024} kB\nBuffers: 1 kB\n`,
  cpuinfo: 'processor\t: 0\nmodel name\t: x\n\nprocessor\t: 1\n',
  memoryLimits: [],
  cpuLimits: [],
  ...over,
});
const totals = (over: Partial<HostFiles> = {}, maxTotalMemoryBytes = 0, maxTotalCpuMillis = 0) =>
  hostResources(files(over), { maxTotalMemoryBytes, maxTotalCpuMillis }, silentLogger);

describe('the resources of a machine for containers', () => {
  it('are the available memory minus a tenth, and every core', () => {
    expect(totals()).toEqual({ memoryBytes: 8 * GIB - Math.floor((8 * GIB) / 10), cpuMillis: 2000 });
  });

  it('reserve at least 256 MiB and at most 5 GiB as headroom', () => {
    expect(totals({ memoryLimits: [String(GIB)] }).memoryBytes).toBe(GIB - 256 * MIB);
    const meminfo = `MemAvailable: ${100 * 1024 * 1024} kB\n`;
    expect(totals({ meminfo }).memoryBytes).toBe(95 * GIB);
  });

  it('reserve what the driver needs for itself', () => {
    const caps = { maxTotalMemoryBytes: 0, maxTotalCpuMillis: 0, driverMemoryMb: 100 };
    expect(totals().memoryBytes - hostResources(files(), caps, silentLogger).memoryBytes).toBe(100 * MIB);
  });

  it('respect the tightest cgroup limit, v1 or v2', () => {
    expect(totals({ memoryLimits: ['max\n', String(2 * GIB), '9223372036854771712\n'] }).memoryBytes).toBe(
      2 * GIB - 256 * MIB,
    );
    expect(totals({ cpuLimits: ['max 100000', '-1 100000', '150000 100000\n'] }).cpuMillis).toBe(1500);
  });

  it('agent-and-docker 49: a cap above the available resources has no effect; a lower one applies without headroom', () => {
    expect(totals({}, 100 * GIB, 64_000)).toEqual(totals());
    expect(totals({}, 300 * MIB, 700)).toEqual({ memoryBytes: 300 * MIB, cpuMillis: 700 });
  });

  it('says why a machine is too small', () => {
    expect(() => totals({ memoryLimits: [String(256 * MIB)] })).toThrow(`Not enough memory: ${256 * MIB}`);
    expect(() => totals({ meminfo: 'MemTotal: 1 kB\n' })).toThrow('MemAvailable');
    expect(() => totals({ cpuLimits: ['1 1000000'] })).toThrow('CPU quota');
  });

  it('work where the kernel reports nothing', () => {
    const { memoryBytes, cpuMillis } = totals({ meminfo: undefined, cpuinfo: undefined });
    expect(memoryBytes).toBe(2 * GIB);
    expect(cpuMillis).toBeGreaterThan(0);
  });

  it('reads this very machine', () => {
    const found = hostResources(readHostFiles(), { maxTotalMemoryBytes: 0, maxTotalCpuMillis: 0 }, silentLogger);
    expect(found.memoryBytes).toBeGreaterThan(0);
    expect(found.cpuMillis).toBeGreaterThan(0);
  });
});

it.each`
  text                            | bytes
  ${'MemAvailable: 10 kB'}        | ${10_240}
  ${'MemAvailable:   3 MB\nX: 1'} | ${3 * MIB}
  ${'MemAvailable: 3 GB'}         | ${undefined}
  ${'NotMemAvailable: 3 kB'}      | ${undefined}
`('meminfo "$text" has $bytes bytes available', ({ text, bytes }) => {
  expect(parseMemAvailable(text)).toBe(bytes);
});

it.each`
  text               | millis
  ${'max 100000'}    | ${Infinity}
  ${'-1 100000'}     | ${Infinity}
  ${'0 0'}           | ${Infinity}
  ${''}              | ${Infinity}
  ${'50000 100000'}  | ${500}
  ${'200000 100000'} | ${2000}
`('CPU limit "$text" is $millis', ({ text, millis }) => {
  expect(parseCpuLimit(text)).toBe(millis);
});

it('reads limits and processors in all their forms', () => {
  expect(parseMemoryLimit('max\n')).toBe(Infinity);
  expect(parseMemoryLimit('1048576\n')).toBe(MIB);
  expect(parseMemoryLimit('-1\n')).toBe(Infinity);
  expect(parseProcessors('')).toBe(0);
});

it.each`
  memoryMib | cpuMillis | warnings
  ${256}    | ${1000}   | ${[]}
  ${255}    | ${1000}   | ${['little memory for functions']}
  ${256}    | ${999}    | ${['less than one core for functions']}
`('$memoryMib MiB and $cpuMillis thousandths of a core: $warnings', ({ memoryMib, cpuMillis, warnings }) => {
  const said: string[] = [];
  const log = { ...silentLogger, warn: (what: string) => said.push(what) };
  hostResources(files(), { maxTotalMemoryBytes: memoryMib * MIB, maxTotalCpuMillis: cpuMillis }, log as never);
  expect(said).toEqual(warnings);
});

describe('the files of a machine', () => {
  let root: string;
  beforeEach(() => {
    root = `${mkdtempSync(path.join(tmpdir(), 'host-'))}/`;
  });
  afterEach(() => rmSync(root, { recursive: true }));

  function file(name: string, text: string): void {
    mkdirSync(path.dirname(`${root}${name}`), { recursive: true });
    writeFileSync(`${root}${name}`, text);
  }

  it('with cgroups v2: every limit from the own group to the root', () => {
    file('proc/self/cgroup', '0::/a/b\n');
    file('proc/meminfo', 'MemAvailable: 1 kB');
    file('proc/cpuinfo', 'processor: 0');
    file('sys/fs/cgroup/a/b/memory.max', '300');
    file('sys/fs/cgroup/a/memory.max', '200');
    file('sys/fs/cgroup/a/cpu.max', '50000 100000');
    file('sys/fs/cgroup/memory.max', '100');
    expect(readHostFiles(root)).toEqual({
      meminfo: 'MemAvailable: 1 kB',
      cpuinfo: 'processor: 0',
      memoryLimits: ['300', '200', '100'],
      cpuLimits: ['50000 100000'],
    });
  });

  it('with cgroups v1: quota and period of the CPU belong together', () => {
    file('proc/self/cgroup', '9:memory:/m\n4:cpu,cpuacct:/c\n');
    file('sys/fs/cgroup/memory/m/memory.limit_in_bytes', '300');
    file('sys/fs/cgroup/cpu/c/cpu.cfs_quota_us', '50000\n');
    file('sys/fs/cgroup/cpu/c/cpu.cfs_period_us', '100000\n');
    file('sys/fs/cgroup/cpu/cpu.cfs_quota_us', '7\n');
    expect(readHostFiles(root)).toMatchObject({ memoryLimits: ['300'], cpuLimits: ['50000 100000'] });
  });

  it('without files: nothing is known', () => {
    expect(readHostFiles(root)).toEqual({ meminfo: undefined, cpuinfo: undefined, memoryLimits: [], cpuLimits: [] });
  });
});

it('finds its own cgroups and all above them', () => {
  expect(parseOwnCgroups('9:memory:/a/b\n4:cpu,cpuacct:/\n0::/user.slice/x.service\n')).toEqual({
    memory: ['/a/b', '/a', ''],
    cpu: [''],
    unified: ['/user.slice/x.service', '/user.slice', ''],
  });
  expect(parseOwnCgroups('')).toEqual({ memory: [''], cpu: [''], unified: [''] });
});
