import type { FunctionEntry } from '../function-entry.js';
import type { Payload, Priority } from '../message-queue.js';
import { MESSAGE_COLUMNS, type MessageRow, messageOf, READY } from '../message-row.js';
import type { MessageRows } from './message-rows.js';

/** How many calls are read at a time, and how many bytes of them: some may have been read for nothing. */
const PORTIONS = [1, 4, 16, 64];
const PORTION_BYTES = 256 * 1024;

/** Not as a subquery, which copies each row. The limit is a part of the text, because SQLite prepares a statement anew if it changes. */
const OLDEST_READY = PORTIONS.map(
  (limit) => `select p.head, p.body, ${MESSAGE_COLUMNS.replace('seq', 'm.seq')}
    from messages m indexed by messages_ready cross join payloads p on p.seq = m.seq
    where m.state = ${READY} and m.fn = ? and m.priority = ? order by m.seq limit ${limit}`,
);

interface ReadyCall {
  readonly row: MessageRow;
  readonly payload: Payload;
}

/** The ready calls of a function, those that were accepted first at the front. */
interface Line {
  read: readonly ReadyCall[];
  taken: number;
}

/**
 * Ready calls of functions in their order, for one reservation, which leases each as it takes it. The more a reservation takes of a function,
 * the more are read at a time: a statement costs as much as what it reads.
 */
export class ReadyLines {
  private readonly lines = new Map<FunctionEntry, Map<Priority, Line>>();

  constructor(private readonly rows: MessageRows) {}

  /** @param wanted how many more calls the reservation may take, of any function */
  next(entry: FunctionEntry, priority: Priority, wanted: number): ReadyCall {
    const line = this.line(entry, priority);
    if (line.taken === line.read.length) this.read(line, entry, priority, wanted);
    const call = line.read[line.taken];
    if (call === undefined) throw new Error(`the queue is inconsistent: no ready call of ${entry.fnId}`);
    line.taken += 1;
    return call;
  }

  private line(entry: FunctionEntry, priority: Priority): Line {
    const lines = this.lines.get(entry) ?? new Map<Priority, Line>();
    const line = lines.get(priority) ?? { read: [], taken: 0 };
    this.lines.set(entry, lines.set(priority, line));
    return line;
  }

  /** Those that were read before are leased meanwhile, so that they are not ready any more. */
  private read(line: Line, entry: FunctionEntry, priority: Priority, wanted: number): void {
    const bytes = line.read.reduce((sum, { payload }) => sum + payload.body.length, 0);
    const fit = (PORTION_BYTES * line.read.length) / Math.max(1, bytes);
    const most = Math.min(4 * line.read.length, wanted + 1, fit);
    const portion = Math.max(
      0,
      PORTIONS.findLastIndex((limit) => limit <= most),
    );
    const found = this.rows.read(OLDEST_READY[portion] ?? '', entry.id, priority);
    line.read = found
      .map(([head, body, ...values]) => ({
        row: messageOf(values),
        payload: { head: String(head), body: body as Uint8Array },
      }))
      .sort((a, b) => a.row.seq - b.row.seq);
    line.taken = 0;
  }
}
