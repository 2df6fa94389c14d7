export type { PoolClient, QueryResult } from 'pg';
export { connectionOptions, probePostgres } from './connection.js';
export { NotificationListener, type NotificationListenerOptions } from './notification-listener.js';
export { isPostgresDuplicate, marksOf, translatedError } from './postgres-errors.js';
export { PostgresPool, type PostgresPoolOptions } from './postgres-pool.js';
export type { PostgresTarget, PostgresTls } from './postgres-url.js';
