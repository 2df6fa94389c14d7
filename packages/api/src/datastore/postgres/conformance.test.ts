// needs: postgres
// takes: 25 s
import { PostgresServer } from '@fnfleet/testing';
import { databasesOf, runSuitesOn } from '../../test-kit/test-database.js';

// What holds on SQLite holds on Postgres: these are the same suites.
import '../../test-kit/suites/annotations.js';
import '../../test-kit/suites/apps.js';
import '../../test-kit/suites/fns.js';
import '../../test-kit/suites/hostile-operators.js';
import '../../test-kit/suites/lists.js';
import '../../test-kit/suites/schedules.js';
import '../../test-kit/suites/triggers.js';
import '../../test-kit/suites/change-log.js';
import '../../test-kit/suites/conditions.js';

let server: PostgresServer;

beforeAll(async () => {
  server = await PostgresServer.start();
  runSuitesOn(databasesOf(server));
});
afterAll(() => server.close());
