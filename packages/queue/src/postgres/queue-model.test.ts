// needs: postgres
// takes: 60 s
import { PostgresServer } from '@fnfleet/testing';
import { describePromises } from '../testing/describe-promises.js';
import { PostgresSetup } from '../testing/postgres-setup.js';

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
});
afterAll(() => server.close());

describePromises('Postgres', { newSetup: () => new PostgresSetup(server, 'postgres'), schedules: 8 });
