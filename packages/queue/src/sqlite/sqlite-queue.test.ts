// takes: 10 s
import { describeQueue } from '../testing/describe-queue.js';
import { InlineSqlite, ThreadedSqlite } from '../testing/queue-setup.js';

describeQueue('SQLite', () => new InlineSqlite());
describeQueue('SQLite in its thread', () => new ThreadedSqlite());
