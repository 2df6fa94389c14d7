import { constants } from 'node:os';
import type { ExitResult } from '@fnfleet/drivers';

/** How the process of a function ended, for operators and developers: `exit code 9`, `ended by SIGSEGV`, `killed: over 64 MiB`. */
export function exitWords({ exitCode, outOfMemory }: ExitResult, memoryMb: number): string {
  if (outOfMemory) return `killed: over ${memoryMb} MiB`;
  // By the convention of shells, 128 + the signal number.
  const [signal] = Object.entries(constants.signals).find(([, number]) => number === exitCode - 128) ?? [];
  return signal === undefined ? `exit code ${exitCode}` : `ended by ${signal}`;
}
