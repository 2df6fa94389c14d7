import { readFile } from 'node:fs/promises';
import { type AgentSettings, hostFilesOf, hostResources } from '@fnfleet/agent';
import { GIB, silentLogger } from '@fnfleet/core';
import type { DriverCapabilities } from '@fnfleet/drivers';
import { shownBytes } from '../quantities.js';
import { type Finding, fail, ok, warn } from './finding.js';

/** Less than a function of the usual size needs together with what its start takes. */
const LITTLE_MEMORY = GIB / 2;
/** Each connection of a client or function uses one file descriptor. */
const GOOD_LIMIT = 65_536;
const LEAST_LIMIT = 4_096;

/** Checks the memory for functions by the rule of the runner, which also counts what its driver uses and where. */
export async function checkMemory(
  settings: AgentSettings,
  { outside, ownMemoryMb: driverMemoryMb }: Pick<DriverCapabilities, 'outside' | 'ownMemoryMb'> = {},
): Promise<Finding[]> {
  const remedy = 'free memory on this machine, add more, or raise FN_MAX_TOTAL_MEMORY_BYTES';
  try {
    const { memoryBytes, cpuMillis } = hostResources(
      hostFilesOf({ outside }),
      { ...settings, driverMemoryMb },
      silentLogger,
    );
    const what = `${shownBytes(memoryBytes)} and ${cpuMillis / 1000} cores for functions`;
    if (memoryBytes < LITTLE_MEMORY) return [warn('memory', `only ${what}`, remedy)];
    return [ok('memory', what)];
  } catch (error) {
    return [fail('memory', (error as Error).message, remedy)];
  }
}

/** Checks how many files a process may open that is started like this one. */
export async function checkOpenFiles(limits = '/proc/self/limits'): Promise<Finding[]> {
  const text = await readFile(limits, 'utf8').catch(() => '');
  const [, hard] = /^Max open files\s+\S+\s+(\S+)/m.exec(text) ?? [];
  if (hard === undefined) return [ok('files', 'this system does not report a limit for open files')];
  const limit = hard === 'unlimited' ? Infinity : Number(hard);
  const what = `${hard} open files allowed in a process started from here`;
  if (limit >= GOOD_LIMIT) return [ok('files', what)];
  const remedy = `raise the limit to ${GOOD_LIMIT}: LimitNOFILE= of the unit, ulimits of the container, or ulimit -Hn`;
  return [limit < LEAST_LIMIT ? fail('files', `only ${what}`, remedy) : warn('files', `only ${what}`, remedy)];
}
