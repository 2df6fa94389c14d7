// needs: postgres
// takes: 60 s
import { PostgresServer } from '@fnfleet/testing';
import { describeQueue } from '../testing/describe-queue.js';
import { PostgresSetup } from '../testing/postgres-setup.js';

let server: PostgresServer;

beforeAll(async () => {
  server = await PostgresServer.start();
});
afterAll(() => server.close());

describeQueue('Postgres', () => new PostgresSetup(server, 'postgres'));
