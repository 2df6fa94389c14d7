import type { Clock, Timer } from '@fnfleet/core';
import type { Kysely } from 'kysely';
import { newestPosition } from '../change-log.js';
import type { Tables } from '../schema.js';

/** Time between two looks at the newest change, in milliseconds. */
const POLL_MS = 50;

/**
 * Polls for changes that other processes make in the file, because SQLite does not report them. It reads the newest change
 * and not `pragma data_version`, which starts anew when the file is replaced by a backup.
 * @returns ends it; idempotent
 */
export function watchNewestChange(db: Kysely<Tables>, clock: Clock, wake: () => void): () => void {
  let known: string | undefined;
  let timer: Timer | undefined;
  let ended = false;

  const poll = async () => {
    // A database that cannot be read is read again: its changes show as soon as it can.
    const position = await newestPosition(db).catch(() => known);
    if (ended) return;
    // The first look wakes too: a change may have come before it.
    const changed = position !== known;
    known = position;
    timer = clock.after(POLL_MS, () => void poll());
    if (changed) wake();
  };
  void poll();

  return () => {
    ended = true;
    timer?.cancel();
  };
}
