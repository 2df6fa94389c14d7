import type { Row, Transaction } from './transaction.js';

/** What is true of the whole queue: the row of `fnfleet_mq`, which a transaction has locked. */
export interface QueueState {
  /** Number of the last transaction that changed something. */
  batch: number;
  /** Changes when functions were removed: what is known of them is read again. */
  readonly epoch: number;
  /** The time that was recorded last, in time of the queue, of the node and of the server. */
  readonly at: number | undefined;
  readonly wall: number | undefined;
  readonly serverAt: number | undefined;
  /** What the clock of the server shows now. */
  readonly serverNow: number;
  lastSeq: number;
  lastFn: number;
  turn: number;
  kept: number;
  keys: number;
  bytes: number;
  nextDue: number | undefined;
  /** How the server makes commits durable: `on` or `remote_apply` is expected. */
  readonly syncsCommits: string;
  readonly fsync: string;
}

/*
 * The lock is that of a row, so that the node that waits longest is next, and it ends with the transaction, also when the
 * node or its connection dies. Commits wait for the disk, and for synchronous standbys if the server has any, whatever the
 * default of the session is.
 */
const BEGIN = `begin;
  select set_config('synchronous_commit', 'on', true) where current_setting('synchronous_commit') <> 'remote_apply';
  select *, (extract(epoch from clock_timestamp()) * 1000)::bigint as server_now,
    current_setting('synchronous_commit') as syncs_commits, current_setting('fsync') as fsync from fnfleet_mq for update`;

/** Begins a transaction that is alone with the queue. */
export async function lockQueue(transaction: Transaction): Promise<QueueState> {
  const [row] = (await transaction.script(BEGIN)).rows;
  if (row === undefined) throw new Error('the table fnfleet_mq is empty');
  return stateOf(row);
}

function stateOf(row: Row): QueueState {
  const number = (value: unknown) => (value === null ? undefined : Number(value));
  return {
    ...{ batch: Number(row.batch), epoch: Number(row.epoch) },
    ...{
      at: number(row.at),
      wall: number(row.wall),
      serverAt: number(row.server_at),
      serverNow: Number(row.server_now),
    },
    ...{ lastSeq: Number(row.last_seq), lastFn: Number(row.last_fn), turn: Number(row.turn) },
    ...{ kept: Number(row.kept), keys: Number(row.keys), bytes: Number(row.bytes), nextDue: number(row.next_due) },
    ...{ syncsCommits: String(row.syncs_commits), fsync: String(row.fsync) },
  };
}

/**
 * Ends a transaction that has changed something.
 * @param notice what other nodes are told; undefined if there is nothing for them
 */
export async function commitQueue(
  transaction: Transaction,
  state: QueueState,
  time: { readonly at: number; readonly wall: number },
  notice: string | undefined,
): Promise<void> {
  const { batch, lastSeq, lastFn, turn, kept, keys, bytes, nextDue = null } = state;
  const { command } =
    await transaction.script(`update fnfleet_mq set batch = ${batch}, at = ${time.at}, wall = ${time.wall},
    server_at = (extract(epoch from clock_timestamp()) * 1000)::bigint, last_seq = ${lastSeq}, last_fn = ${lastFn},
    turn = ${turn}, kept = ${kept}, keys = ${keys}, bytes = ${bytes}, next_due = ${nextDue};
    ${notice === undefined ? '' : `notify fnfleet_mq, '${notice}';`} commit`);
  if (command !== 'COMMIT') throw new Error(`the transaction ended with ${command}`);
}
