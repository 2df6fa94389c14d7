import fc from 'fast-check';
import type { FuzzTarget } from './target.js';

export interface FuzzOptions {
  readonly targets: readonly FuzzTarget[];
  /** Everything that is drawn follows from it. */
  readonly seed: number;
  /** Inputs that each target gets in one round. */
  readonly runs: number;
  /** Asked before each round, from 0 on. */
  readonly goesOn: (round: number) => boolean;
  readonly print: (line: string) => void;
}

export interface FuzzFailure {
  readonly target: string;
  readonly seed: number;
  readonly report: string;
}

/** A bug that every input shows must not be shrunk for hours. Milliseconds. */
const LIMIT_MS = 60_000;

/**
 * Draws inputs for each target in turn, until told to stop or until one fails. What nobody caught in the process counts as
 * the failure of the target that was running.
 */
export async function fuzz(options: FuzzOptions): Promise<FuzzFailure | undefined> {
  const stray: unknown[] = [];
  const note = (reason: unknown) => void stray.push(reason);
  process.on('uncaughtException', note).on('unhandledRejection', note);
  try {
    return await play(options, stray);
  } finally {
    process.off('uncaughtException', note).off('unhandledRejection', note);
  }
}

async function play(options: FuzzOptions, stray: readonly unknown[]): Promise<FuzzFailure | undefined> {
  const { targets, seed, runs, goesOn, print } = options;
  for (let round = 0; goesOn(round); round += 1) {
    for (const target of targets) {
      const roundSeed = (seed + round) | 0;
      const report = await runTarget(target, roundSeed, runs);
      const said = report ?? stray.map(describe).join('\n');
      if (said !== '') return { target: target.name, seed: roundSeed, report: said };
    }
    if (round % 100 === 99) print(`${(round + 1) * runs} inputs for each of ${targets.length} targets, nothing found`);
  }
  return undefined;
}

/** @returns what is wrong; undefined: nothing */
async function runTarget(target: FuzzTarget, seed: number, runs: number): Promise<string | undefined> {
  const opened = await target.open();
  try {
    const details = await fc.check(opened.property, { seed, numRuns: runs, interruptAfterTimeLimit: LIMIT_MS });
    if (details.failed) return `${fc.defaultReportMessage(details)}\n${describe(details.errorInstance)}`;
    await opened.settled();
    return undefined;
  } catch (error) {
    return describe(error);
  } finally {
    await opened.close();
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
