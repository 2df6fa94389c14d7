import type { ServerResponse } from 'node:http';
import { epochMs, FnError, formatDate, KIB, parseBody, type WallMs, wallMs } from '@fnfleet/core';
import { type RouteHandler, readBody, sendEmpty, sendJson } from '@fnfleet/http';
import type { CallRecord, CallState, DeadSelection, Lane, MessageQueue } from '@fnfleet/queue';
import { deliveriesAfter, deliveriesOf, fnOfDelivery } from '../callbacks/follow-ups.js';
import type { Datastore } from '../datastore/datastore.js';
import { idAfter, idCursor, pageSize } from '../rest/paging.js';
import { queryOf } from '../rest/resource-handlers.js';
import type { QueueAccess } from './queue-access.js';
import { requestOf, resultOf } from './shown-content.js';

type CallOperation =
  | 'listCalls'
  | 'getCall'
  | 'getCallLog'
  | 'cancelCall'
  | 'listAllCalls'
  | 'findCall'
  | 'redriveCalls'
  | 'purgeCalls';

/** Maximum number of callbacks that are shown with their call. */
const MAX_CALLBACKS = 10;
const MAX_SELECTION_BYTES = 4 * KIB;

/** The words of Fn for the states of a call. */
const STATUS: Readonly<Record<CallState, string>> = {
  delayed: 'delayed',
  ready: 'queued',
  running: 'running',
  success: 'success',
  dead: 'error',
  cancelled: 'cancelled',
};

/** Handlers that show and cancel asynchronous calls, and that make dead letters ready again or remove them. */
export function callHandlers(access: QueueAccess, store: Datastore): Record<CallOperation, RouteHandler> {
  /** @throws FnError `callNotFound` */
  const find = async (params: Readonly<Record<string, unknown>>) => {
    const fnId = String(params.fn_id);
    const queue = await access.open();
    const record = await queue.get(String(params.call_id));
    if (record === undefined || ownerOf(record) !== fnId) throw new FnError('callNotFound');
    return { queue, record };
  };
  const page = async (query: URLSearchParams, of: { readonly fnId: string } | { readonly lane: Lane | undefined }) => {
    const since = timeOf(query, 'from_time', 'fromTimeInvalid');
    const until = timeOf(query, 'to_time', 'toTimeInvalid');
    const queue = await access.open();
    const { calls, next } = await queue.list({
      ...of,
      state: stateOf(query),
      // Both ends are excluded, as in Fn.
      since: since && wallMs(epochMs(since) + 1),
      until,
      limit: pageSize(query),
      cursor: idAfter(query),
    });
    return { calls, next_cursor: next === undefined ? undefined : idCursor(next) };
  };
  /** Empty if the function was deleted. */
  const appIdOf = async (fnId: string): Promise<string> => {
    try {
      return (await store.fns.get(fnId)).appId;
    } catch (error) {
      if (error instanceof FnError && error.code === 'fnNotFound') return '';
      throw error;
    }
  };
  /** What a request that changes dead letters is about. @throws FnError `callNotFound` */
  const selected = async (queue: MessageQueue, fnId: string, json: string): Promise<DeadSelection> => {
    const callId = selectedCall(json);
    if (callId === undefined) return { fnId };
    const record = await queue.get(callId);
    if (record === undefined || ownerOf(record) !== fnId) throw new FnError('callNotFound');
    return { callId };
  };
  /** Callbacks are dead letters of the function whose calls they follow. @returns how many were changed */
  const changeDead = async (queue: MessageQueue, action: 'redrive' | 'purge', fnId: string, json: string) => {
    const selection = await selected(queue, fnId, json);
    const changed = await queue[action](selection);
    return 'callId' in selection ? changed : changed + (await queue[action]({ fnId: deliveriesOf(fnId) }));
  };
  return {
    async listCalls(req, res) {
      const { id, appId } = await store.fns.get(String(req.params.fn_id));
      const query = queryOf(req);
      const { calls, next_cursor } = await page(query, {
        fnId: laneOf(query) === 'deliveries' ? deliveriesOf(id) : id,
      });
      sendJson(res, 200, { next_cursor, items: calls.map((record) => shown(record, appId)) });
    },

    async listAllCalls(req, res) {
      const { calls, next_cursor } = await page(queryOf(req), { lane: laneOf(queryOf(req)) });
      const appIds = new Map<string, string>();
      for (const fnId of calls.map(ownerOf)) if (!appIds.has(fnId)) appIds.set(fnId, await appIdOf(fnId));
      sendJson(res, 200, {
        next_cursor,
        items: calls.map((record) => shown(record, appIds.get(ownerOf(record)) ?? '')),
      });
    },

    async findCall(req, res) {
      const queue = await access.open();
      const record = await queue.get(String(req.params.call_id));
      if (record === undefined) throw new FnError('callNotFound');
      const payload = record.state === 'dead' ? await queue.payload(record.callId) : undefined;
      sendJson(res, 200, {
        ...(await wholeCall(queue, record, await appIdOf(ownerOf(record)))),
        request: payload && requestOf(payload),
      });
    },

    async redriveCalls(req, res) {
      const json = (await readBody(req, MAX_SELECTION_BYTES)).toString();
      // The calls of a deleted function would be dead at once.
      const { id } = await store.fns.get(String(req.params.fn_id));
      const queue = await access.open();
      sendJson(res, 200, { changed: await changeDead(queue, 'redrive', id, json) });
    },

    async purgeCalls(req, res) {
      const json = (await readBody(req, MAX_SELECTION_BYTES)).toString();
      const queue = await access.open();
      sendJson(res, 200, { changed: await changeDead(queue, 'purge', String(req.params.fn_id), json) });
    },

    async getCall(req, res) {
      const { id, appId } = await store.fns.get(String(req.params.fn_id));
      const { queue, record } = await find({ ...req.params, fn_id: id });
      sendJson(res, 200, await wholeCall(queue, record, appId));
    },

    async getCallLog(req, res) {
      const send = logSender(req.headers.accept);
      if (send === undefined) throw new FnError('logTypeUnacceptable');
      const queue = await access.open();
      const callId = String(req.params.call_id);
      // Also of a function that was deleted, as in Fn.
      if ((await queue.get(callId))?.fnId !== req.params.fn_id) throw new FnError('callLogNotFound');
      send(res, callId, (await queue.log(callId)) ?? '');
    },

    async cancelCall(req, res) {
      const { queue, record } = await find(req.params);
      const answer = await queue.cancel(record.callId);
      if (answer.kind === 'notFound') throw new FnError('callNotFound');
      if (answer.kind === 'ended') throw new FnError('callEnded', { params: { status: STATUS[answer.status] } });
      sendEmpty(res, 204);
    },
  };
}

/**
 * The call that a request names; undefined if it is about all dead letters of the function. A misspelt name or an empty id must not
 * remove all of them.
 * @throws FnError `invalidJson`
 */
function selectedCall(json: string): string | undefined {
  if (json === '') return undefined;
  const callId = parseBody(json).text('call_id');
  const names = namesIn(json);
  if (callId ? names.length === 1 : names.length === 0) return callId;
  throw new FnError('invalidJson');
}

/** @throws FnError `invalidJson`, also for `null` and for an object that something follows */
function namesIn(json: string): readonly string[] {
  try {
    return Object.keys(JSON.parse(json));
  } catch (cause) {
    throw new FnError('invalidJson', { cause });
  }
}

type LogSender = (res: ServerResponse, callId: string, log: string) => void;

const sendLogAsJson: LogSender = (res, callId, log) => sendJson(res, 200, { call_id: callId, log });
const sendLogAsText: LogSender = (res, _callId, log) => {
  res.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' });
  res.end(log);
};

/** @returns undefined if the client accepts neither JSON nor text */
function logSender(accept = '*/*'): LogSender | undefined {
  for (const range of accept.toLowerCase().split(',')) {
    const [type = ''] = range.split(';');
    if (['application/json', 'application/*', '*/*'].includes(type.trim())) return sendLogAsJson;
    if (['text/plain', 'text/*'].includes(type.trim())) return sendLogAsText;
  }
  return undefined;
}

const ENDS: Readonly<Record<CallRecord['history'][number]['end'], string>> = {
  completed: 'completed',
  retried: 'retried',
  dead: 'dead',
  givenBack: 'given_back',
  leaseExpired: 'lease_expired',
  cancelled: 'cancelled',
};

async function wholeCall(queue: MessageQueue, record: CallRecord, appId: string): Promise<object> {
  const result = record.state === 'success' ? await queue.result(record.callId) : undefined;
  return {
    ...shown(record, appId),
    next_attempt_at: record.nextAt && formatDate(record.nextAt),
    history: record.history.map(({ attempt, holder, startedAt, endedAt, end, reason }) => ({
      attempt,
      balancer: holder,
      started_at: formatDate(startedAt),
      ended_at: formatDate(endedAt),
      end: ENDS[end],
      error: reason?.message,
    })),
    result: result && resultOf(result),
    callbacks: await callbacksAfter(queue, record, appId),
  };
}

/** Those that follow a call, newest first: one each time that it was a dead letter. Undefined if there are none. */
async function callbacksAfter(queue: MessageQueue, { callId, fnId }: CallRecord, appId: string) {
  const { cursor, isOne } = deliveriesAfter(callId);
  const { calls } = await queue.list({ fnId: deliveriesOf(fnId), cursor, limit: MAX_CALLBACKS });
  const found = calls.filter((record) => isOne(record.callId));
  return found.length === 0 ? undefined : found.map((record) => shown(record, appId));
}

function ownerOf({ fnId }: CallRecord): string {
  return fnOfDelivery(fnId) ?? fnId;
}

function shown(record: CallRecord, appId: string): object {
  const { callId, fnId, state, attempts, failures, priority, reason } = record;
  return {
    id: callId,
    status: STATUS[state],
    type: fnOfDelivery(fnId) === undefined ? 'async' : 'callback',
    priority,
    attempts,
    failures,
    completed_at: formatDate(record.endedAt),
    created_at: formatDate(record.acceptedAt),
    started_at: formatDate(record.startedAt),
    error: reason?.message,
    error_code: reason?.code,
    app_id: appId,
    fn_id: ownerOf(record),
  };
}

function laneOf(query: URLSearchParams): Lane | undefined {
  const type = query.get('type');
  if (!type) return undefined;
  if (type !== 'async' && type !== 'callback') throw new FnError('callTypeUnknown');
  return type === 'callback' ? 'deliveries' : 'calls';
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
