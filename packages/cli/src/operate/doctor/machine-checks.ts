import { readFile } from 'node:fs/promises';
import { type AgentSettings, hostFilesOf, hostResources } from '@fnfleet/agent';
import { GIB, silentLogger } from '@fnfleet/core';
import type { DriverCapabilities } from '@fnfleet/drivers';
import { shownBytes } from '../quantities.js';
import { type Finding, fail, ok, warn } from './finding.js';

/** Less than one function of the usual size and what it takes to start it. */
const LITTLE_MEMORY = GIB / 2;
/** Connections of clients and functions take one each. */
const GOOD_LIMIT = 65_536;
const LEAST_LIMIT = 4_096;

/** What a runner here could give to functions, by the same rule as the runner's own: with what its driver takes, and where that is. */
export async function checkMemory(
  settings: AgentSettings,
  { outside, ownMemoryMb: driverMemoryMb }: Pick<DriverCapabilities, 'outside' | 'ownMemoryMb'> = {},
): Promise<Finding[]> {
  const remedy = 'end what else uses memory here, give the machine more, or raise FN_MAX_TOTAL_MEMORY_BYTES';
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

/** How many files a process that is started like this one may open. */
export async function checkOpenFiles(limits = '/proc/self/limits'): Promise<Finding[]> {
  const text = await readFile(limits, 'utf8').catch(() => '');
  const [, hard] = /^Max open files\s+\S+\s+(\S+)/m.exec(text) ?? [];
  if (hard === undefined) return [ok('files', 'this system does not tell how many files may be open')];
  const limit = hard === 'unlimited' ? Infinity : Number(hard);
  const what = `${hard} files may be open in a process started from here`;
  if (limit >= GOOD_LIMIT) return [ok('files', what)];
  const remedy = `allow ${GOOD_LIMIT}: LimitNOFILE= of the unit, ulimits of the container, or ulimit -Hn`;
  return [limit < LEAST_LIMIT ? fail('files', `only ${what}`, remedy) : warn('files', `only ${what}`, remedy)];
}
