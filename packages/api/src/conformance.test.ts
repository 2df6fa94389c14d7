// takes: 8 s
// On Postgres: datastore/postgres/conformance.test.ts
import './test-kit/suites/annotations.js';
import './test-kit/suites/apps.js';
import './test-kit/suites/change-log.js';
import './test-kit/suites/fns.js';
import './test-kit/suites/lists.js';
import './test-kit/suites/schedules.js';
import './test-kit/suites/triggers.js';
