import { existsSync } from 'node:fs';
import { type Clock, type Logger, SettingsError } from '@fnfleet/core';
import { parsePostgresUrl } from '@fnfleet/postgres/url';
import { sqlitePath } from '@fnfleet/sqlite';
import type { MessageQueue } from './message-queue.js';
import { openNatsQueue } from './nats/nats-queue.js';
import { parseNatsUrl } from './nats/nats-url.js';
import { boundsOf, type QueueSettings } from './settings.js';
import { openSqliteQueue } from './sqlite/sqlite-queue.js';

export interface QueueParts {
  readonly logger?: Logger;
  readonly clock?: Clock;
}

interface Store {
  /** Whether somebody has made the queue. Undefined if that is only known when it is opened. */
  readonly exists?: (url: string) => Promise<boolean>;
  /** @throws SettingsError */
  readonly check?: (url: string) => void;
  readonly open: (url: string, settings: QueueSettings, parts: QueueParts) => Promise<MessageQueue>;
}

const postgresTarget = (url: string) => parsePostgresUrl(url, 'FN_MQ_URL');

const postgres: Store = {
  check: (url) => void postgresTarget(url),
  async exists(url) {
    const { postgresQueueExists } = await import('./postgres/postgres-queue.js');
    return await postgresQueueExists(postgresTarget(url));
  },
  async open(url, settings, parts) {
    // Most nodes need no driver for it.
    const { openPostgresQueue } = await import('./postgres/postgres-queue.js');
    return await openPostgresQueue({
      ...parts,
      target: postgresTarget(url),
      bounds: boundsOf(settings),
      timeoutMs: settings.mqTimeoutMs,
      maxWaiting: settings.mqMaxWaiting,
      allowUnsynced: settings.mqAllowUnsynced,
    });
  },
};

const STORES: Readonly<Record<string, Store>> = {
  sqlite3: {
    exists: async (url) => existsSync(sqlitePath(url) ?? ''),
    open: (url, settings, parts) =>
      openSqliteQueue({
        ...parts,
        path: sqlitePath(url) ?? '',
        bounds: boundsOf(settings),
        timeoutMs: settings.mqTimeoutMs,
        maxWaiting: settings.mqMaxWaiting,
      }),
  },
  postgres,
  postgresql: postgres,
  nats: {
    check: (url) => void parseNatsUrl(url),
    open: (url, settings, parts) =>
      openNatsQueue({
        ...parts,
        url,
        bounds: boundsOf(settings),
        timeoutMs: settings.mqTimeoutMs,
        maxWaiting: settings.mqMaxWaiting,
        allowUnsynced: settings.mqAllowUnsynced,
        folder: settings.mqCacheDir || undefined,
      }),
  },
};

/**
 * Opens the queue that `FN_MQ_URL` names.
 * @throws SettingsError for an unknown scheme; an error that names the file if it cannot be used
 */
export function openQueue(settings: QueueSettings, parts: QueueParts = {}): Promise<MessageQueue> {
  return storeOf(settings.mqUrl).open(settings.mqUrl, settings, parts);
}

/**
 * Whether there is a queue to open. To open one that does not exist creates it.
 * @throws SettingsError as `openQueue`; the error of the store if it cannot be asked
 */
export async function queueExists(url: string): Promise<boolean> {
  return (await storeOf(url).exists?.(url)) ?? true;
}

/** @throws SettingsError when the URL names no known kind of store, or does not say all that the store needs */
export function checkQueueUrl(url: string): void {
  storeOf(url).check?.(url);
}

function storeOf(url: string): Store {
  const [scheme = ''] = /^[^:]*(?=:\/\/)/.exec(url) ?? [];
  const store = Object.hasOwn(STORES, scheme) ? STORES[scheme] : undefined;
  if (store !== undefined && hasPath(url)) return store;
  // The text of Fn.
  throw new SettingsError([`FN_MQ_URL: mq type not supported ${scheme}; known: sqlite3, postgres, nats`]);
}

function hasPath(url: string): boolean {
  return /^[^:]*:\/\/[^?]/.test(url);
}
