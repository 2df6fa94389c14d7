/** What one look at a machine or a fleet has found. */
export interface Finding {
  /** What was looked at, in one word. */
  readonly check: string;
  /** `warn`: it works, but not as it should or not for long. `fail`: it does not. */
  readonly verdict: 'ok' | 'warn' | 'fail';
  readonly what: string;
  /** What to do; with every `warn` and `fail`. */
  readonly remedy?: string;
}

/** Finds out one thing. What it throws is a failure whose message says what to do. */
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

/** @param named what is looked at, should the check throw */
export async function found(named: string, check: Check): Promise<readonly Finding[]> {
  try {
    return await check();
  } catch (error) {
    return [{ check: named, verdict: 'fail', what: (error as Error).message }];
  }
}
