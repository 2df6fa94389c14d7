import { Socket } from 'node:net';
import type { Clock, Logger, Timer } from '@fnfleet/core';
import { Client, type ClientConfig } from 'pg';

/** Time between two signs of life, in milliseconds: a network may lose a connection without saying so. */
const HEARTBEAT_MS = 5_000;
/** How long a server may take to end a session. Milliseconds. */
const GOODBYE_MS = 500;
/** The first and the longest pause before another attempt to connect, in milliseconds. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

export interface NotificationListenerOptions {
  readonly connection: ClientConfig;
  /** For messages: the URL without its password. */
  readonly shown: string;
  readonly channel: string;
  /** Time limit for connecting, and for an answer of the server. */
  readonly timeoutMs: number;
  readonly logger: Logger;
  readonly clock: Clock;
  /** A statement that is executed after each connect. */
  readonly onConnect?: string;
  /** Called for each notification, and without a payload after each connect, because notifications may have been missed. */
  readonly wake: (payload?: string) => void;
}

/** Listens on a connection of its own, which is replaced when it is lost. */
export class NotificationListener {
  private client: Client | undefined;
  private socket: Socket | undefined;
  private timer: Timer | undefined;
  private pauseMs = FIRST_PAUSE_MS;
  private closed = false;

  constructor(private readonly options: NotificationListenerOptions) {
    void this.connect();
  }

  /** What its session has locked is free when this resolves, unless the server does not answer. */
  async close(): Promise<void> {
    this.closed = true;
    this.timer?.cancel();
    const { client } = this;
    this.client = undefined;
    if (client !== undefined) await this.sayGoodbye(client);
    this.drop();
  }

  private async sayGoodbye(client: Client): Promise<void> {
    const said = new AbortController();
    const ended = client.end().catch(() => undefined);
    await Promise.race([ended, this.options.clock.sleep(GOODBYE_MS, said.signal)]);
    said.abort();
  }

  private async connect(): Promise<void> {
    const { timeoutMs, wake, logger, shown, channel, onConnect } = this.options;
    const client = this.newClient();
    this.client = client;
    try {
      await client.connect();
      await client.query(`listen ${channel}`);
      if (onConnect !== undefined) await client.query(onConnect);
    } catch (error) {
      return this.lost(client, error as Error);
    }
    if (this.client !== client) return;
    if (this.pauseMs > FIRST_PAUSE_MS)
      logger.info('listening for notifications of the database again', { database: shown });
    this.pauseMs = FIRST_PAUSE_MS;
    this.beatLater(client, timeoutMs);
    wake();
  }

  private newClient(): Client {
    const { connection, timeoutMs, wake } = this.options;
    const socket = new Socket();
    this.socket = socket;
    const limits = { connectionTimeoutMillis: timeoutMs, query_timeout: timeoutMs };
    const client = new Client({ ...connection, ...limits, stream: () => socket });
    client.on('notification', ({ payload }) => {
      if (this.client === client) wake(payload);
    });
    client.on('error', (error) => this.lost(client, error));
    client.on('end', () => this.lost(client, new Error('the server closed the connection')));
    return client;
  }

  private beatLater(client: Client, timeoutMs: number): void {
    this.timer = this.options.clock.after(HEARTBEAT_MS, () => {
      client.query('select 1').then(
        () => {
          if (this.client === client) this.beatLater(client, timeoutMs);
        },
        (error: Error) => this.lost(client, error),
      );
    });
  }

  /** Called at least once for each client that is not dropped first. */
  private lost(client: Client, error: Error): void {
    if (this.client !== client || this.closed) return;
    this.timer?.cancel();
    this.drop();
    const { clock, logger, shown } = this.options;
    const retryInMs = this.pauseMs;
    // One line for an outage, however long it is.
    const log = retryInMs === FIRST_PAUSE_MS ? logger.warn : logger.debug;
    log.call(logger, 'not listening for notifications of the database, retrying', {
      database: shown,
      retryInMs,
      error,
    });
    this.pauseMs = Math.min(this.pauseMs * 2, LONGEST_PAUSE_MS);
    this.timer = clock.after(retryInMs, () => void this.connect());
  }

  /** Does not say goodbye: a server that hangs would keep the socket, and with it the process. */
  private drop(): void {
    this.client = undefined;
    this.socket?.destroy();
  }
}
