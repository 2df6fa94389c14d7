// takes: 30 s
import fc from 'fast-check';
import { BrokenPromise } from '../testing/call-ledger.js';
import { PLANTED_FAULTS } from '../testing/planted-faults.js';
import { keepsItsPromises } from '../testing/queue-model.js';
import { InlineSqlite } from '../testing/queue-setup.js';

it('the queue in SQLite keeps its promises, whatever holders, kills and clocks do', async () => {
  await fc.assert(
    keepsItsPromises(() => new InlineSqlite()),
    { numRuns: 150 },
  );
}, 300_000);

describe('the schedules find a queue in which', () => {
  it.each(Object.entries(PLANTED_FAULTS))(
    '%s',
    async (_, around) => {
      const { failed, errorInstance } = await fc.check(
        keepsItsPromises(() => new InlineSqlite(), around),
        {
          numRuns: 300,
          endOnFailure: true,
          seed: 1,
        },
      );
      expect(failed).toBe(true);
      expect(errorInstance).toBeInstanceOf(BrokenPromise);
    },
    300_000,
  );
});
