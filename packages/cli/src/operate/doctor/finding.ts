/** The result of one check of a machine or a fleet. */
export interface Finding {
  /** What was checked, in one word. */
  readonly check: string;
  /** `warn`: works, but with a problem now or soon. `fail`: does not work. */
  readonly verdict: 'ok' | 'warn' | 'fail';
  readonly what: string;
  /** How to fix it; present with every `warn` and `fail`. */
  readonly remedy?: string;
}

/** Runs one check. What it throws counts as a failure, and its message says how to fix it. */
export type Check = () => Promise<readonly Finding[]>;

export function ok(check: string, what: string): Finding {
  return { check, verdict: 'ok', what };
}

export function warn(check: string, what: string, remedy: string): Finding {
  return { check, verdict: 'warn', what, remedy };
}

export function fail(check: string, what: string, remedy: string): Finding {
  return { check, verdict: 'fail', what, remedy };
}

/** @param named the name of the check, used if it throws */
export async function found(named: string, check: Check): Promise<readonly Finding[]> {
  try {
    return await check();
  } catch (error) {
    return [{ check: named, verdict: 'fail', what: (error as Error).message }];
  }
}

/** One line for each finding, and the remedy below it. */
export function formatFindings(findings: readonly Finding[]): string[] {
  const width = Math.max(0, ...findings.map(({ check }) => check.length));
  const margin = ' '.repeat('warn'.length + width + 4);
  return findings.flatMap(({ check, verdict, what, remedy }) => {
    const [first = '', ...more] = what.split('\n');
    const head = `${verdict.padEnd(4)}  ${check.padEnd(width)}  ${first}`;
    const rest = more.map((line) => `${margin}${line.trim()}`);
    return [head, ...rest, ...(remedy === undefined ? [] : [`${margin}→ ${remedy}`])];
  });
}
