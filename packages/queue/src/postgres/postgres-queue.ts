import { type Clock, type Logger, later, silentLogger, systemClock } from '@fnfleet/core';
import { PostgresPool, type PostgresTarget } from '@fnfleet/postgres';
import { DEFAULT_BOUNDS, type QueueBounds } from '../bounds.js';
import type { MessageQueue } from '../message-queue.js';
import { StoreQueue } from '../store-queue.js';
import { hasTables } from './migrate.js';
import { PostgresEngine } from './postgres-engine.js';
import { PostgresRecords } from './postgres-records.js';
import { Transaction } from './transaction.js';

/** How often a node looks for what others have changed, if it has not been told. Milliseconds. */
const POLL_MS = 5_000;
/** Connections for lookups; transactions and notifications have one each. */
const READERS = 2;

/** Time limit for the question whether there is a queue. */
const EXISTS_MS = 5_000;

export interface PostgresQueueOptions {
  readonly target: PostgresTarget;
  readonly bounds?: Partial<QueueBounds>;
  /** Time limit for an operation once its transaction has begun; 5 s by default. */
  readonly timeoutMs?: number;
  /** Maximum number of operations, and of reservations, that wait; 10 000 by default. */
  readonly maxWaiting?: number;
  /** Maximum size of the operations that wait; 64 MiB by default. */
  readonly maxWaitingBytes?: number;
  /** Whether a server is accepted that acknowledges commits before they are on disk; false by default. */
  readonly allowUnsynced?: boolean;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** @throws the error of the database */
export async function postgresQueueExists(target: PostgresTarget): Promise<boolean> {
  const parts = { target, timeoutMs: EXISTS_MS, logger: silentLogger, clock: systemClock };
  const pool = new PostgresPool({ ...parts, maxConnections: 1, maxWaiting: 1 });
  try {
    const client = await pool.connect();
    try {
      return await hasTables(new Transaction(pool, client, later(systemClock.now(), EXISTS_MS)));
    } finally {
      client.release(true);
    }
  } finally {
    await pool.close();
  }
}

/**
 * Opens a queue in a database that other nodes may have open as well, and makes its tables if they are missing.
 * @throws FnError or Error that names the database if it cannot be used; SettingsError when a file that its URL names cannot be read
 */
export async function openPostgresQueue(options: PostgresQueueOptions): Promise<MessageQueue> {
  const { target, timeoutMs = 5_000, logger = silentLogger, clock = systemClock, allowUnsynced = false } = options;
  const { maxWaiting = 10_000, maxWaitingBytes = 64 * 1024 * 1024 } = options;
  const bounds = { ...DEFAULT_BOUNDS, ...options.bounds };
  const connections = { target, timeoutMs, logger, clock };
  let queue: StoreQueue | undefined;
  const engine = new PostgresEngine({ ...connections, bounds, allowUnsynced, onNotice: () => queue?.wake() });
  const readers = new PostgresPool({ ...connections, maxConnections: READERS, maxWaiting });
  const records = new PostgresRecords(readers, clock, timeoutMs);
  const close = async () => void (await Promise.all([engine.close(), readers.close()]));
  try {
    const time = await engine.start(later(clock.now(), 2 * timeoutMs));
    queue = new StoreQueue({
      ...{ time, clock, timeoutMs, maxWaiting, maxWaitingBytes, bounds, logger, tickMs: POLL_MS },
      thread: { ask: (request, deadline) => engine.ask(request, deadline), close },
      translate: ({ message }) => new Error(`${target.setting}: ${target.shown}: ${message}`),
      lookUp: (operation) => records.lookUp(operation, { at: time.now(), wall: time.wall() }),
    });
    queue.start();
    return queue;
  } catch (error) {
    await close();
    throw error;
  }
}
