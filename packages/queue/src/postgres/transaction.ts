import type { MonoMs } from '@fnfleet/core';
import type { PoolClient, PostgresPool } from '@fnfleet/postgres';

export type Row = Readonly<Record<string, unknown>>;

/** Statements of the queue, sent one after the other on one connection. */
export class Transaction {
  constructor(
    private readonly pool: PostgresPool,
    private readonly client: PoolClient,
    private readonly deadline: MonoMs,
  ) {}

  /** Statements that are sent together, without values. @returns the rows of the last one */
  async script(text: string): Promise<{ readonly rows: readonly Row[]; readonly command: string }> {
    const results = await this.pool.run(this.client, { text }, this.deadline);
    const last = Array.isArray(results) ? results.at(-1) : results;
    return { rows: last?.rows ?? [], command: last?.command ?? '' };
  }

  /** @param name of a statement that is parsed once for each connection */
  async rows(name: string, text: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
    const query = { name: `fnfleet_mq_${name}`, text, values: [...values] };
    return (await this.pool.run(this.client, query, this.deadline)).rows;
  }
}
