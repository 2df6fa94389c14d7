import type { ServerResponse } from 'node:http';
import { epochMs, FnError } from '@fnfleet/core';
import { type Route, sendJson } from '@fnfleet/http';
import { type CollectorSession, collectLogs, GRPC_STATUS, type LogBatch, StreamError } from '@fnfleet/protocol';
import type { LbOperations } from './operations.js';

/** What a collector may want, as docs/logs.md has it. */
const WANTED = ['fn_id', 'app_id', 'call_id', 'follow', 'tail', 'since'] as const;
const MAX_WANTED_LENGTH = 256;
/** Each is a connection to a runner, and may last for hours. */
const MAX_READERS = 64;

export interface RunnerLogsOptions {
  /** How runners are reached. */
  readonly tls: CollectorSession['tls'];
  readonly collect?: (session: CollectorSession) => Promise<void>;
}

/**
 * Passes on what functions print on a runner, for operators who cannot reach runners: their addresses may be those of a network
 * of containers, and their certificates for names that only balancers know. One JSON object a line, a batch each; the next
 * batch is asked for when the operator has taken the one before. What goes wrong later than the head is the last line.
 */
export class RunnerLogs {
  private readonly readers = new Set<AbortController>();

  constructor(private readonly options: RunnerLogsOptions) {}

  route(operations: Pick<LbOperations, 'fleet'>): Route {
    return {
      method: 'GET',
      path: '/fleet/runners/:address/logs',
      access: 'operator',
      handle: async (req, res) => {
        const address = String(req.params.address);
        const life = new AbortController();
        // Before anything is waited for: whoever has left by then would never be seen to leave.
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

  /** Ends what is under way: it would hold up a balancer that stops. */
  end(): void {
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
      // Bytes: a function may print anything.
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
