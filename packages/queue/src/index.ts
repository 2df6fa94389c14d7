export { DEFAULT_BOUNDS, MAX_HELD, type QueueBounds } from './bounds.js';
export type * from './message-queue.js';
export { type NatsQueueOptions, openNatsQueue } from './nats/nats-queue.js';
export { checkQueueUrl, openQueue, type QueueParts, queueExists } from './open-queue.js';
export {
  counts,
  DEFAULT_RETRY_POLICY,
  decideRetry,
  type Failure,
  type FailureKind,
  MAX_ATTEMPTS,
  type RetryDecision,
  type RetryPolicy,
  type RetryState,
} from './retry-policy.js';
export { boundsOf, type QueueSettings, queueSettings } from './settings.js';
export { contentsOfQueue, isQueueLocked, prepareRestoredQueue, type QueueContents } from './sqlite/queue-copy.js';
export { openSqliteQueue, type SqliteQueueOptions } from './sqlite/sqlite-queue.js';
