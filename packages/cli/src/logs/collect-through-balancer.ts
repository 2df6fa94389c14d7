import { printableLine, wallMs } from '@fnfleet/core';
import { readJson, type Shape } from '@fnfleet/operator-api';
import { type CollectorSession, GRPC_STATUS, type LogBatch, StreamError } from '@fnfleet/protocol';
import { bodyOf } from '../access/read-answer.js';
import type { Fetch } from '../access/secure-fetch.js';

/** Maximum bytes of a line; more than a runner sends in one message, even in base64. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;
/** Maximum characters of a reason for refusal. */
const MAX_WORDS = 1_000;

interface Piece {
  readonly dropped?: number;
  readonly lines?: readonly {
    readonly at_ms: number;
    readonly source: string;
    readonly text: string;
    readonly call_id: string;
    readonly fn_id: string;
    readonly app_id: string;
    readonly container_id: string;
  }[];
  readonly error?: { readonly code: number; readonly details: string };
}

const TEXTS = { source: 'string', text: 'string', call_id: 'string', fn_id: 'string', app_id: 'string' } as const;
const PIECE: Shape = {
  fields: {
    dropped: { optional: 'number' },
    lines: { optional: { list: { fields: { at_ms: 'number', container_id: 'string', ...TEXTS } } } },
    error: { optional: { fields: { code: 'number', details: 'string' } } },
  },
};

/** Like `collectLogs`, but through a balancer that has the runner: it knows its address and is authorized there. */
export function collectThroughBalancer(
  balancer: string,
  fetch: Fetch,
): (session: Omit<CollectorSession, 'tls'>) => Promise<void> {
  return async ({ address, config, signal, onOpen, onBatch }) => {
    const url = `${balancer}/fleet/runners/${encodeURIComponent(address)}/logs?${new URLSearchParams(config)}`;
    try {
      const response = await fetch(url, { signal });
      if (!response.ok) throw refusal(response.status, await bodyOf(response));
      onOpen?.();
      for await (const line of linesOf(response)) {
        const piece = readJson<Piece>(line, PIECE);
        if (piece === undefined) throw new Error(`the answer of ${balancer} is not that of a balancer`);
        if (piece.error !== undefined) {
          throw new StreamError(piece.error.code, printableLine(piece.error.details, MAX_WORDS));
        }
        await onBatch(batchOf(piece));
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  };
}

function refusal(status: number, body: string): Error {
  const { message = body.trim(), code } = readJson<{ message?: string; code?: number }>(body, REFUSAL) ?? {};
  const words = printableLine(message, MAX_WORDS);
  if (code !== undefined) return new StreamError(code, words);
  // Missing permission and unknown routes are permanent.
  const isFinal = [401, 403, 404].includes(status);
  return new StreamError(isFinal ? GRPC_STATUS.INVALID_ARGUMENT : GRPC_STATUS.INTERNAL, `${status}: ${words}`);
}

const REFUSAL: Shape = { fields: { message: { optional: 'string' }, code: { optional: 'number' } } };

function batchOf({ dropped = 0, lines = [] }: Piece): LogBatch {
  return {
    dropped,
    lines: lines.map((line) => ({
      at: wallMs(line.at_ms),
      source: line.source === 'stderr' ? 'stderr' : 'stdout',
      text: Buffer.from(line.text, 'base64'),
      callId: line.call_id,
      fnId: line.fn_id,
      appId: line.app_id,
      containerId: line.container_id,
    })),
  };
}

async function* linesOf(response: Response): AsyncIterable<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of response.body ?? []) {
    rest += decoder.decode(chunk, { stream: true });
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      yield rest.slice(0, end);
      rest = rest.slice(end + 1);
    }
    if (rest.length > MAX_LINE_BYTES) throw new Error(`a line of more than ${MAX_LINE_BYTES} bytes`);
  }
}
