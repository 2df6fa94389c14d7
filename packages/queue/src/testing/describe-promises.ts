import fc from 'fast-check';
import { BrokenPromise } from './call-ledger.js';
import { PLANTED_FAULTS } from './planted-faults.js';
import { keepsItsPromises } from './queue-model.js';
import type { QueueSetup } from './queue-setup.js';

interface PromisesOptions {
  /** A new, empty store. */
  readonly newSetup: () => QueueSetup;
  /** How many are drawn in each run of the tests; more with `FNFLEET_SCHEDULES=200`. */
  readonly schedules: number;
}

/** Kills and clocks are part of the schedules, and stores are real ones. */
const LIMIT_MS = 300_000;
/** Its schedules find each planted fault early. */
const SEED = 15;

/** What no schedule may break in any store, and that the schedules would find it. */
export function describePromises(name: string, { newSetup, schedules }: PromisesOptions): void {
  const numRuns = Number(process.env.FNFLEET_SCHEDULES ?? schedules);

  it(
    `the queue in ${name} keeps its promises, whatever holders, kills and clocks do`,
    () => fc.assert(keepsItsPromises(newSetup), { numRuns }),
    LIMIT_MS,
  );

  describe('the schedules find a queue in which', () => {
    it.each(Object.entries(PLANTED_FAULTS))(
      '%s',
      async (_, around) => {
        const planted = keepsItsPromises(newSetup, around);
        const { failed, errorInstance } = await fc.check(planted, { numRuns: 300, endOnFailure: true, seed: SEED });
        expect(failed).toBe(true);
        expect(errorInstance).toBeInstanceOf(BrokenPromise);
      },
      LIMIT_MS,
    );
  });
}
