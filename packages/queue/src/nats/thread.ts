import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '@fnfleet/core';
import type { ThreadAnswer, ThreadMessage } from '@fnfleet/sqlite';
import { logProblemOf } from './log-trouble.js';
import { NatsEngine, type NatsEngineOptions, type NatsReply, type NatsRequest } from './nats-engine.js';

/* Entry point of the thread of a queue in NATS. SqliteThread is the other side. */
const port = parentPort;
if (port === null) throw new Error('this is not a program');

const tell = (answer: ThreadAnswer<NatsReply | undefined>) => port.postMessage(answer);
const engine = new NatsEngine(workerData as NatsEngineOptions, { clock: systemClock });

port.on('message', ({ id, request }: ThreadMessage<NatsRequest>) => {
  engine
    .handle(request)
    .then(
      (answer) => tell({ id, answer }),
      (error: unknown) => tell({ id, problem: logProblemOf(error) }),
    )
    .finally(() => {
      if (request.kind === 'close') port.close();
    });
});
