import { decodeQueuedResponse, epochMs, FnError, formatDate, type WallMs, wallMs } from '@fnfleet/core';
import { type RouteHandler, sendEmpty, sendJson } from '@fnfleet/http';
import type { CallRecord, CallState, KeptResult } from '@fnfleet/queue';
import type { Datastore } from '../datastore/datastore.js';
import { idAfter, idCursor, pageSize } from '../rest/paging.js';
import { queryOf } from '../rest/resource-handlers.js';
import type { QueueAccess } from './queue-access.js';

type CallOperation = 'listCalls' | 'getCall' | 'getCallLog' | 'cancelCall';

/** The words of Fn for the states of a call. */
const STATUS: Readonly<Record<CallState, string>> = {
  delayed: 'delayed',
  ready: 'queued',
  running: 'running',
  success: 'success',
  dead: 'error',
  cancelled: 'cancelled',
};

/** Handlers that show and cancel the asynchronous calls of a function. */
export function callHandlers(access: QueueAccess, store: Datastore): Record<CallOperation, RouteHandler> {
  /** @throws FnError `callNotFound` */
  const find = async (params: Readonly<Record<string, unknown>>) => {
    const fnId = String(params.fn_id);
    const queue = await access.open();
    const record = await queue.get(String(params.call_id));
    if (record === undefined || record.fnId !== fnId) throw new FnError('callNotFound');
    return { queue, record };
  };
  return {
    async listCalls(req, res) {
      const { id, appId } = await store.fns.get(String(req.params.fn_id));
      const query = queryOf(req);
      const since = timeOf(query, 'from_time', 'fromTimeInvalid');
      const until = timeOf(query, 'to_time', 'toTimeInvalid');
      const queue = await access.open();
      const { calls, next } = await queue.list({
        fnId: id,
        state: stateOf(query),
        // Both ends are excluded, as in Fn.
        since: since && wallMs(epochMs(since) + 1),
        until,
        limit: pageSize(query),
        cursor: idAfter(query),
      });
      sendJson(res, 200, {
        next_cursor: next === undefined ? undefined : idCursor(next),
        items: calls.map((record) => shown(record, appId)),
      });
    },

    async getCall(req, res) {
      const { id, appId } = await store.fns.get(String(req.params.fn_id));
      const { queue, record } = await find({ ...req.params, fn_id: id });
      const result = record.state === 'success' ? await queue.result(record.callId) : undefined;
      sendJson(res, 200, {
        ...shown(record, appId),
        history: record.history.map(({ attempt, holder, startedAt, endedAt, end, reason }) => ({
          attempt,
          balancer: holder,
          started_at: formatDate(startedAt),
          ended_at: formatDate(endedAt),
          end: ENDS[end],
          error: reason?.message,
        })),
        result: result && resultOf(result),
      });
    },

    // Logs of functions are not stored; clients of Fn handle this response.
    getCallLog: (_req, res) => sendEmpty(res, 410),

    async cancelCall(req, res) {
      const { queue, record } = await find(req.params);
      const answer = await queue.cancel(record.callId);
      if (answer.kind === 'notFound') throw new FnError('callNotFound');
      if (answer.kind === 'ended') throw new FnError('callEnded', { params: { status: STATUS[answer.status] } });
      sendEmpty(res, 204);
    },
  };
}

const ENDS: Readonly<Record<CallRecord['history'][number]['end'], string>> = {
  completed: 'completed',
  retried: 'retried',
  dead: 'dead',
  givenBack: 'given_back',
  leaseExpired: 'lease_expired',
  cancelled: 'cancelled',
};

function shown(record: CallRecord, appId: string): object {
  const { callId, fnId, state, attempts, failures, priority, reason } = record;
  return {
    id: callId,
    status: STATUS[state],
    type: 'async',
    priority,
    attempts,
    failures,
    completed_at: formatDate(record.endedAt),
    created_at: formatDate(record.acceptedAt),
    started_at: formatDate(record.startedAt),
    error: reason?.message,
    error_code: reason?.code,
    app_id: appId,
    fn_id: fnId,
  };
}

function resultOf({ head, body, bodyBytes }: KeptResult): object {
  const { status, headers, size } = decodeQueuedResponse(head);
  const bytes = Buffer.from(body);
  const text = bytes.toString();
  // Bytes that are not UTF-8 would be lost in JSON.
  const isText = Buffer.from(text).equals(bytes);
  return {
    status,
    headers,
    encoding: isText ? 'utf8' : 'base64',
    body: isText ? text : bytes.toString('base64'),
    size: Math.max(size, bodyBytes),
  };
}

function stateOf(query: URLSearchParams): CallState | undefined {
  const status = query.get('status');
  if (!status) return undefined;
  const [state] = Object.entries(STATUS).find(([, word]) => word === status) ?? [];
  if (state === undefined) throw new FnError('callStatusUnknown');
  return state as CallState;
}

function timeOf(query: URLSearchParams, name: string, wrong: 'fromTimeInvalid' | 'toTimeInvalid'): WallMs | undefined {
  const text = query.get(name);
  if (!text) return undefined;
  if (!/^\d{1,12}$/.test(text)) throw new FnError(wrong);
  return wallMs(1_000 * Number(text));
}
