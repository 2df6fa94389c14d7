import { parseBody, triggerToJson } from '@fnfleet/core';
import { type RouteHandler, sendEmpty, sendJson } from '@fnfleet/http';
import type { Datastore } from '../datastore/datastore.js';
import { bodyText, type ResourceContext } from './resource-handlers.js';

type RunnerOperation = 'getTriggerBySource' | 'reportStart' | 'reportFinish' | 'listCalls' | 'getCall' | 'getCallLog';

/** Handlers for balancers, including those that balancers of earlier releases still use. */
export function runnerHandlers(store: Datastore, context: ResourceContext): Record<RunnerOperation, RouteHandler> {
  // Balancers of earlier releases report every call here, and delay its response until this request is answered.
  const discard: RouteHandler = async (req, res) => {
    parseBody(await bodyText(req, context));
    sendEmpty(res, 204);
  };
  // Calls and their logs are no longer stored; clients handle this response.
  const gone: RouteHandler = (_req, res) => sendEmpty(res, 410);
  return {
    async getTriggerBySource({ params }, res) {
      // A source begins with a slash, so the path has two in a row: `…/http//hello`.
      const source = [params.trigger_source ?? ''].flat().join('/');
      const found = await store.triggers.bySource(String(params.app_id), String(params.trigger_type), source);
      sendJson(res, 200, triggerToJson(found));
    },
    reportStart: discard,
    reportFinish: discard,
    listCalls: gone,
    getCall: gone,
    getCallLog: gone,
  };
}
