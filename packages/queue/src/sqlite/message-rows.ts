import type { RowChanges } from '../message-row.js';
import type { QueueFile } from './queue-file.js';

/**
 * The rows of calls in the file. What changes in the same way for many is written with one statement for each run of rows that follow
 * each other, as calls do that were accepted one after the other: a statement costs as much as what it does to a row.
 *
 * R1  What is read has all changes in it.
 */
export class MessageRows {
  private readonly updates = new UpdateText([]);
  /** The changes that are not written yet, and the rows that they are for. */
  private changes: RowChanges = {};
  private changing: number[] = [];

  constructor(private readonly file: QueueFile) {}

  change(seq: number, changes: RowChanges): void {
    this.flush();
    this.update(seq, seq, changes);
  }

  /** At the latest when something is read, or when other changes follow. The caller makes sure that the transaction does not end before. */
  changeLater(seq: number, changes: RowChanges): void {
    if (this.changing.length > 0 && !areSame(changes, this.changes)) this.flush();
    this.changes = changes;
    this.changing.push(seq);
  }

  flush(): void {
    if (this.changing.length === 0) return;
    const { changing, changes } = this;
    this.changing = [];
    for (const [first, last] of runsOf(changing)) this.update(first, last, changes);
  }

  /** The values of the rows that a statement finds: R1. */
  read(sql: string, ...values: readonly (string | number)[]): unknown[][] {
    this.flush();
    return this.file.allValues(sql, ...values);
  }

  private update(first: number, last: number, changes: RowChanges): void {
    // Each caller changes the same columns each time, so that there are few statements.
    let text = this.updates;
    for (const column of Object.keys(changes)) text = text.with(column);
    const values = Object.values(changes);
    if (first === last) this.file.run(text.ofOne, ...values, first);
    else this.file.run(text.ofRun, ...values, first, last);
  }
}

/** @returns the first and the last of each run of numbers that follow each other */
export function runsOf(numbers: readonly number[]): readonly (readonly [first: number, last: number])[] {
  const sorted = numbers.toSorted((a, b) => a - b);
  const runs: [number, number][] = [];
  let run: [number, number] | undefined;
  for (const number of sorted) {
    if (run !== undefined && number === run[1] + 1) run[1] = number;
    else {
      run = [number, number];
      runs.push(run);
    }
  }
  return runs;
}

/** Of objects that the same caller has made. */
function areSame(a: RowChanges, b: RowChanges): boolean {
  const keys = Object.keys(a) as (keyof RowChanges)[];
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key] && key in b);
}

/** The texts of statements that change columns of rows. They are made once, because V8 hashes each text that it has not seen. */
class UpdateText {
  readonly ofOne: string;
  readonly ofRun: string;
  private readonly longer = new Map<string, UpdateText>();

  constructor(private readonly columns: readonly string[]) {
    const set = `messages set ${columns.map((column) => `${column} = ?`).join(', ')} where seq`;
    this.ofOne = `update ${set} = ?`;
    // Otherwise SQLite copies each page first, to undo this statement alone; but whenever one fails, the whole transaction is undone.
    this.ofRun = `update or fail ${set} between ? and ?`;
  }

  with(column: string): UpdateText {
    let longer = this.longer.get(column);
    if (longer === undefined) {
      longer = new UpdateText([...this.columns, column]);
      this.longer.set(column, longer);
    }
    return longer;
  }
}
