// needs: postgres
import { PostgresServer } from '@fnfleet/testing';
import { databasesOf, runSuitesOn } from '../../test-kit/test-database.js';

// What holds on SQLite holds on Postgres: these are the same suites.
import '../../annotations.test.js';
import '../../apps.test.js';
import '../../fns.test.js';
import '../../hostile-operators.test.js';
import '../../lists.test.js';
import '../../triggers.test.js';
import '../change-log.test.js';

let server: PostgresServer;

beforeAll(async () => {
  server = await PostgresServer.start();
  runSuitesOn(databasesOf(server));
});
afterAll(() => server.close());
