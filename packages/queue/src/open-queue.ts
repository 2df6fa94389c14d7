import { type Clock, type Logger, SettingsError } from '@fnfleet/core';
import type { MessageQueue } from './message-queue.js';
import { boundsOf, type QueueSettings } from './settings.js';
import { openSqliteQueue } from './sqlite/sqlite-queue.js';

export interface QueueParts {
  readonly logger?: Logger;
  readonly clock?: Clock;
}

type Opener = (path: string, settings: QueueSettings, parts: QueueParts) => Promise<MessageQueue>;

const STORES: Readonly<Record<string, Opener>> = {
  sqlite3: (path, settings, parts) =>
    openSqliteQueue({
      ...parts,
      path,
      bounds: boundsOf(settings),
      timeoutMs: settings.mqTimeoutMs,
      maxWaiting: settings.mqMaxWaiting,
    }),
};

/**
 * Opens the queue that `FN_MQ_URL` names.
 * @throws SettingsError for an unknown scheme; an error that names the file if it cannot be used
 */
export function openQueue(settings: QueueSettings, parts: QueueParts = {}): Promise<MessageQueue> {
  const { opener, path } = storeOf(settings.mqUrl);
  return opener(path, settings, parts);
}

/** @throws SettingsError when the URL names no known kind of store */
export function checkQueueUrl(url: string): void {
  storeOf(url);
}

function storeOf(url: string): { readonly opener: Opener; readonly path: string } {
  const [, scheme = '', path = ''] = /^([^:]*):\/\/([^?]*)/.exec(url) ?? [];
  const opener = Object.hasOwn(STORES, scheme) ? STORES[scheme] : undefined;
  if (opener !== undefined && path !== '') return { opener, path };
  // The text of Fn.
  throw new SettingsError([`FN_MQ_URL: mq type not supported ${scheme}; known: ${Object.keys(STORES).join(', ')}`]);
}
