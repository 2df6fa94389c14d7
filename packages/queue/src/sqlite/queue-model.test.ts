// takes: 10 s
import { describePromises } from '../testing/describe-promises.js';
import { InlineSqlite } from '../testing/queue-setup.js';

describePromises('SQLite', { newSetup: () => new InlineSqlite(), schedules: 150 });
