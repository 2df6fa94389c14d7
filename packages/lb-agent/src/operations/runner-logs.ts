import type { ServerResponse } from 'node:http';
import { epochMs, FnError } from '@fnfleet/core';
import { type Route, sendJson } from '@fnfleet/http';
import { type CollectorSession, collectLogs, GRPC_STATUS, type LogBatch, StreamError } from '@fnfleet/protocol';
import type { LbOperations } from './operations.js';
import { addressIn } from './operator-routes.js';

/** The parameters of a log collector (docs/logs.md). */
const WANTED = ['fn_id', 'app_id', 'call_id', 'follow', 'tail', 'since'] as const;
const MAX_WANTED_LENGTH = 256;
/** Maximum number of log streams: each is a connection to a runner, and may last for hours. */
const MAX_READERS = 64;

export interface RunnerLogsOptions {
  /** TLS identity for connections to runners. */
  readonly tls: CollectorSession['tls'];
  readonly collect?: (session: CollectorSession) => Promise<void>;
}

/**
 * Streams the output of functions on a runner to operators who cannot reach it: its address may be in a container
 * network, and its certificate for a name that only balancers know. Each line is a JSON object with one batch; the next
 * batch is requested when the operator has read the previous one. An error after the head is sent as the last line.
 */
export class RunnerLogs {
  private readonly readers = new Set<AbortController>();

  constructor(private readonly options: RunnerLogsOptions) {}

  route(operations: Pick<LbOperations, 'fleet'>): Route {
    return {
      method: 'GET',
      path: '/fleet/runners/*address/logs',
      access: 'operator',
      handle: async (req, res) => {
        const address = addressIn(req.params);
        const life = new AbortController();
        // Attach the listener before the first await, or an earlier disconnect would go unnoticed.
        res.once('close', () => life.abort());
        const runners = (await operations.fleet(0))?.runners ?? [];
        if (!runners.some((runner) => runner.address === address)) {
          const known = runners.length === 0 ? 'none' : `${runners.length} others`;
          throw new FnError('runnerNotInPool', { params: { address, known } });
        }
        if (life.signal.aborted) return;
        if (this.readers.size >= MAX_READERS) throw new FnError('tooManyLogReaders');
        this.readers.add(life);
        try {
          await this.pass(address, wantedIn(req.query), res, life.signal);
        } finally {
          this.readers.delete(life);
        }
      },
    };
  }

  /** Ends all streams, which would delay a balancer that stops. */
  close(): void {
    for (const reader of this.readers) reader.abort();
  }

  private async pass(
    address: string,
    config: Readonly<Record<string, string>>,
    res: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    const { tls, collect = collectLogs } = this.options;
    const begin = () => {
      if (res.headersSent || res.destroyed) return;
      res.writeHead(200, { 'Content-Type': 'application/x-ndjson', 'Cache-Control': 'no-store' });
      res.flushHeaders();
    };
    try {
      await collect({
        address,
        tls,
        config,
        signal,
        onOpen: begin,
        onBatch: async (batch) => {
          begin();
          if (!res.write(`${JSON.stringify(batchJson(batch))}\n`)) await drained(res);
        },
      });
      begin();
      res.end();
    } catch (error) {
      const { code, details } = reasonOf(error);
      if (res.headersSent) res.end(`${JSON.stringify({ error: { code, details } })}\n`);
      else sendJson(res, 502, { message: details, code });
    }
  }
}

function wantedIn(query: Readonly<Record<string, unknown>>): Record<string, string> {
  const config: Record<string, string> = {};
  for (const name of WANTED) {
    const value = query[name];
    if (typeof value === 'string') config[name] = value.slice(0, MAX_WANTED_LENGTH);
  }
  return config;
}

function batchJson({ lines, dropped }: LogBatch): object {
  return {
    dropped,
    lines: lines.map(({ at, source, text, callId, fnId, appId, containerId }) => ({
      at_ms: epochMs(at),
      source,
      // Base64, because a function may print any bytes.
      text: text.toString('base64'),
      call_id: callId,
      fn_id: fnId,
      app_id: appId,
      container_id: containerId,
    })),
  };
}

function reasonOf(error: unknown): { code: number; details: string } {
  if (error instanceof StreamError) return { code: error.code, details: error.message };
  return { code: GRPC_STATUS.UNAVAILABLE, details: (error as Error).message };
}

function drained(res: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      res.off('drain', done).off('close', done);
      resolve();
    };
    res.once('drain', done).once('close', done);
  });
}
