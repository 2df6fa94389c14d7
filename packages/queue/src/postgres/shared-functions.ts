import { type FunctionEntry, functionEntry } from '../function-entry.js';
import { FunctionTable } from '../function-table.js';
import type { Priority } from '../message-queue.js';
import { DEAD, DELAYED, READY, RUNNING } from '../message-row.js';
import { FUNCTION_CHANGING } from './schema.js';
import type { Row, Transaction } from './transaction.js';

/** A copy of the table of functions, which other nodes change as well: it is brought up to date in each transaction. */
export class SharedFunctions extends FunctionTable {
  /** Those that the open transaction has changed. */
  private readonly changed = new Set<FunctionEntry>();
  private readonly added = new Set<FunctionEntry>();
  /** When each was leased last, in numbers that ascend over all nodes. */
  private readonly turnOf = new Map<FunctionEntry, number>();

  override count(entry: FunctionEntry, state: number, priority: Priority, change: number): void {
    super.count(entry, state, priority, change);
    this.changed.add(entry);
  }

  override countKeys(entry: FunctionEntry, change: number): void {
    super.countKeys(entry, change);
    this.changed.add(entry);
  }

  /** It was read from the table, or will be in it. */
  insert(entry: FunctionEntry): void {
    this.added.add(entry);
  }

  touch(entry: FunctionEntry): void {
    this.changed.add(entry);
  }

  leased(entry: FunctionEntry, turn: number): void {
    this.turnOf.set(entry, turn);
    this.changed.add(entry);
  }

  /** Takes over what other nodes have changed since a batch. */
  async catchUp(transaction: Transaction, batch: number): Promise<void> {
    const text = 'select * from fnfleet_mq_functions where changed > $1 order by turn';
    for (const row of await transaction.rows('functions', text, [batch])) this.takeOver(row);
    this.changed.clear();
  }

  /** @returns whether there was something to write */
  async flush(transaction: Transaction, batch: number): Promise<boolean> {
    const rows = (entries: Iterable<FunctionEntry>) =>
      JSON.stringify([...entries].map((entry) => this.rowOf(entry, batch)));
    const { added, changed } = this;
    for (const entry of added) changed.delete(entry);
    if (added.size > 0) {
      const text =
        'insert into fnfleet_mq_functions select * from json_populate_recordset(null::fnfleet_mq_functions, $1::json)';
      await transaction.rows('add_functions', text, [rows(added)]);
    }
    if (changed.size > 0) await transaction.rows('set_functions', UPDATE, [rows(changed)]);
    const hasWritten = added.size + changed.size > 0;
    added.clear();
    changed.clear();
    return hasWritten;
  }

  private takeOver(row: Row): void {
    const read = functionEntry(row);
    let entry = this.named(read.fnId);
    if (entry === undefined) {
      entry = read;
      this.add(entry);
    }
    if (entry.app !== read.app) this.belongsTo(entry, read.app);
    entry.limits = read.limits;
    entry.tokens = read.tokens;
    entry.tokensAt = read.tokensAt;
    entry.restsUntil = Number(row.rests_until);
    entry.rests = Number(row.rests);
    entry.keys = Number(row.keys);
    if (read.closed !== undefined) this.close(entry, read.closed);
    const recount = (state: number, priority: Priority, known: number, now: unknown) => {
      if (Number(now) !== known) this.count(entry, state, priority, Number(now) - known);
    };
    for (const priority of [0, 1, 2] as const) {
      recount(READY, priority, entry.ready[priority], row[`ready_${priority}`]);
    }
    recount(DELAYED, 0, entry.delayed, row.delayed);
    recount(RUNNING, 0, entry.running, row.running);
    recount(DEAD, 0, entry.dead, row.dead);
    const turn = Number(row.turn);
    if (turn > (this.turnOf.get(entry) ?? 0)) this.toTheEnd(entry);
    this.turnOf.set(entry, turn);
  }

  private rowOf(entry: FunctionEntry, batch: number): Row {
    const { id, fnId, lane, app, limits, tokens, tokensAt, closed, ready, delayed, running, dead } = entry;
    return {
      ...{ id, fn_id: fnId, lane, app, concurrency: limits.concurrency ?? null },
      ...{ rate_calls: limits.rate?.calls ?? null, rate_ms: limits.rate?.perMs ?? null },
      ...{ tokens, tokens_at: tokensAt, rests_until: entry.restsUntil, rests: entry.rests, closed: closed ?? null },
      ...{ ready_0: ready[0], ready_1: ready[1], ready_2: ready[2], delayed, running, dead },
      ...{ turn: this.turnOf.get(entry) ?? 0, changed: batch, keys: entry.keys },
    };
  }
}

const UPDATE = `update fnfleet_mq_functions f
  set (${FUNCTION_CHANGING.join(', ')}) = (${FUNCTION_CHANGING.map((name) => `r.${name}`).join(', ')})
  from json_populate_recordset(null::fnfleet_mq_functions, $1::json) r where f.id = r.id`;
