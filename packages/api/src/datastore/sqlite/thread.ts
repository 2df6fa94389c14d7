import { parentPort, workerData } from 'node:worker_threads';
import { problemOf, type ThreadAnswer, type ThreadMessage } from '@fnfleet/sqlite';
import type { QueryAnswer, ThreadData, ThreadRequest } from './messages.js';
import { ThreadDatabase } from './thread-database.js';

/*
 * Entry point of a database thread: SQLite is synchronous and blocks on locks and disks. SqliteThread is the other
 * side.
 */
const port = parentPort;
if (port === null) throw new Error('this is not a program');

const tell = (answer: ThreadAnswer<QueryAnswer | undefined>) => port.postMessage(answer);
const database = new ThreadDatabase(workerData as ThreadData, () => tell({ event: 'replaced' }));

port.on('message', ({ id, request }: ThreadMessage<ThreadRequest>) => {
  try {
    tell({ id, answer: database.handle(request) });
  } catch (error) {
    tell({ id, problem: problemOf(error) });
  }
  if (request.kind === 'close') port.close();
});
