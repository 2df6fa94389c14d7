// needs: nats-server
// takes: 60 s
import { NatsServer } from '@fnfleet/testing';
import fc from 'fast-check';
import { BrokenPromise } from '../testing/call-ledger.js';
import { NatsSetup } from '../testing/nats-setup.js';
import { PLANTED_FAULTS } from '../testing/planted-faults.js';
import { keepsItsPromises } from '../testing/queue-model.js';

let server: NatsServer;
beforeAll(async () => {
  server = await NatsServer.start();
});
afterAll(() => server.close());

const newSetup = () => new NatsSetup(server, true);

it('the queue in NATS keeps its promises, whatever holders, kills and clocks do', async () => {
  await fc.assert(keepsItsPromises(newSetup), { numRuns: 100 });
}, 300_000);

describe('the schedules find a queue in which', () => {
  it.each(Object.entries(PLANTED_FAULTS))(
    '%s',
    async (_, around) => {
      const { failed, errorInstance } = await fc.check(keepsItsPromises(newSetup, around), {
        numRuns: 300,
        endOnFailure: true,
        seed: 1,
      });
      expect(failed).toBe(true);
      expect(errorInstance).toBeInstanceOf(BrokenPromise);
    },
    300_000,
  );
});
