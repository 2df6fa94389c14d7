// needs: postgres
// takes: 60 s
import { PostgresServer } from '@fnfleet/testing';
import fc from 'fast-check';
import { BrokenPromise } from '../testing/call-ledger.js';
import { PLANTED_FAULTS } from '../testing/planted-faults.js';
import { PostgresSetup } from '../testing/postgres-setup.js';
import { keepsItsPromises } from '../testing/queue-model.js';

/** More with `FNFLEET_SCHEDULES=200`. */
const SCHEDULES = Number(process.env.FNFLEET_SCHEDULES ?? 8);

let server: PostgresServer;

beforeAll(async () => {
  server = await PostgresServer.start();
});
afterAll(() => server.close());

const newSetup = () => new PostgresSetup(server, 'postgres');

it('the queue in Postgres keeps its promises, whatever holders, kills and clocks do', async () => {
  await fc.assert(keepsItsPromises(newSetup), { numRuns: SCHEDULES });
}, 300_000);

describe('the schedules find a queue in which', () => {
  it.each(Object.entries(PLANTED_FAULTS))(
    '%s',
    async (_, around) => {
      const { failed, errorInstance } = await fc.check(keepsItsPromises(newSetup, around), {
        numRuns: 300,
        endOnFailure: true,
        seed: 15,
      });
      expect(failed).toBe(true);
      expect(errorInstance).toBeInstanceOf(BrokenPromise);
    },
    300_000,
  );
});
