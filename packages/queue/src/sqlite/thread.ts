import { parentPort, workerData } from 'node:worker_threads';
import { problemOf, type ThreadAnswer, type ThreadMessage } from '@fnfleet/sqlite';
import type { BatchAnswer, ThreadReply, ThreadRequest } from '../operations.js';
import { type PackedAnswer, type PackedBatch, packAnswer, unpackBatch } from './packed-batch.js';
import { type EngineOptions, QueueEngine, type SaveRequest } from './queue-engine.js';

/* Entry point of the thread of a queue: SQLite is synchronous and waits for disks. SqliteThread is the other side. */
const port = parentPort;
if (port === null) throw new Error('this is not a program');

const tell = (answer: ThreadAnswer<ThreadReply | PackedAnswer | undefined>, handedOver: ArrayBuffer[] = []) =>
  port.postMessage(answer, handedOver);
const engine = new QueueEngine(workerData as EngineOptions);

port.on('message', ({ id, request }: ThreadMessage<ThreadRequest | SaveRequest | PackedBatch>) => {
  if (request.kind === 'save') return void save(id, request.file);
  try {
    if (request.kind === 'packed') return execute(id, request);
    tell({ id, answer: engine.handle(request) });
  } catch (error) {
    tell({ id, problem: problemOf(error) });
  }
  if (request.kind === 'close') port.close();
});

/** @throws as the engine does */
function execute(id: number, packed: PackedBatch): void {
  const batch = unpackBatch(packed);
  const answer = packAnswer(batch, engine.handle(batch) as BatchAnswer);
  tell({ id, answer }, [answer.memory]);
}

/** Never rejects. */
async function save(id: number, file: string): Promise<void> {
  try {
    await engine.save(file);
    tell({ id, answer: undefined });
  } catch (error) {
    tell({ id, problem: problemOf(error) });
  }
}
