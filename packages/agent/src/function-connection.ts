import type { Socket } from 'node:net';
import type { Clock, WallMs } from '@fnfleet/core';
import { Client } from 'undici';
import type { AgentCall } from './agent-call.js';
import { functionDialer } from './function-dialer.js';
import { Exchange, type ExchangeLimits } from './function-exchange.js';

/** FDKs close idle connections after anything from no time to five seconds; one second keeps clear of most of them. */
const IDLE_CLOSE_MS = 1_000;
const DEFAULT_HEADER_BYTES = 10 * 1024 * 1024;

/**
 * The one connection to the function in a container. It is dialled when a call needs it, kept for the next, and closed
 * after a second of silence. There are never two: many FDKs accept a second one only after the first has gone.
 */
export class FunctionConnection {
  private readonly client: Client;

  constructor(
    connect: () => Socket,
    private readonly limits: ExchangeLimits,
    private readonly clock: Pick<Clock, 'after'>,
  ) {
    this.client = new Client('http://localhost', {
      connect: functionDialer(connect),
      allowH2: false,
      pipelining: 1,
      keepAliveTimeout: IDLE_CLOSE_MS,
      keepAliveMaxTimeout: IDLE_CLOSE_MS,
      keepAliveTimeoutThreshold: 100,
      // The deadline of the call is the only limit in time.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: limits.maxHeaderBytes || DEFAULT_HEADER_BYTES,
    });
  }

  /** Sends the call. One at a time. @param deadline what the function is told */
  exchange(call: AgentCall, deadline: WallMs): Exchange {
    const exchange = new Exchange(call, this.limits, this.clock);
    exchange.begin(this.client, deadline);
    return exchange;
  }

  /** Breaks the connection. Idempotent, never rejects. */
  async close(): Promise<void> {
    await this.client.destroy().catch(() => undefined);
  }
}
