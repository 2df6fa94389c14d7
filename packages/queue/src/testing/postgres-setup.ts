import { FakeClock } from '@fnfleet/core';
import { parsePostgresUrl } from '@fnfleet/postgres/url';
import type { PostgresServer } from '@fnfleet/testing';
import type { QueueBounds } from '../bounds.js';
import type { MessageQueue } from '../message-queue.js';
import { openPostgresQueue } from '../postgres/postgres-queue.js';
import type { QueueSetup } from './queue-setup.js';

/** Tables of a queue. */
const TABLES = ['', '_functions', '_calls', '_payloads', '_results', '_logs', '_deliveries', '_keys'];
/** The server works in real time, and must not be too slow for a clock that jumps. */
const NEVER_MS = 2 ** 31 - 1;

let setups = 0;

/** A queue in a database of a real server, in which it is alone. */
export class PostgresSetup implements QueueSetup {
  readonly clock = new FakeClock();
  private readonly name: string;
  private bounds: Partial<QueueBounds> | undefined;
  private queue: MessageQueue | undefined;
  private kills = 0;

  constructor(
    private readonly server: PostgresServer,
    private readonly database: string,
  ) {
    setups += 1;
    this.name = `setup_${setups}`;
  }

  async open(bounds = this.bounds): Promise<MessageQueue> {
    this.bounds = bounds;
    const url = this.server.url(this.database, { query: `?application_name=${this.name}` });
    const target = parsePostgresUrl(url, 'FN_MQ_URL');
    this.queue = await openPostgresQueue({
      ...{ target, bounds, clock: this.clock, timeoutMs: NEVER_MS },
      allowUnsynced: true,
    });
    return this.queue;
  }

  /** Ends the sessions at a moment that differs each time. */
  async kill(): Promise<void> {
    const { queue } = this;
    if (queue === undefined) return;
    this.kills += 1;
    for (let turn = (this.kills * 7) % 20; turn > 0; turn -= 1) await new Promise((resolve) => setImmediate(resolve));
    const closing = queue.close();
    const mine = `from pg_stat_activity where application_name = '${this.name}'`;
    await this.server.query(this.database, `select pg_terminate_backend(pid, 10000) ${mine}`);
    await closing;
  }

  async remove(): Promise<void> {
    await this.queue?.close();
    const names = TABLES.map((table) => `fnfleet_mq${table}`);
    await this.server.query(this.database, `drop table if exists ${names.join(', ')}`);
  }
}
