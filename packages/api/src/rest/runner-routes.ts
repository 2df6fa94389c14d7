import { parseBody, triggerToJson } from '@fnfleet/core';
import { type Route, type RouteHandler, sendEmpty, sendJson } from '@fnfleet/http';
import type { Datastore } from '../datastore/datastore.js';
import { bodyText, type ResourceContext } from './resource-routes.js';

/** Routes for balancers, including those that balancers of earlier releases still use. */
export function runnerRoutes(store: Datastore, context: ResourceContext): Route[] {
  // Balancers of earlier releases report every call here, and delay its response until this request is answered.
  const discard: RouteHandler = async (req, res) => {
    parseBody(await bodyText(req, context));
    sendEmpty(res, 204);
  };
  const gone: RouteHandler = (_req, res) => sendEmpty(res, 410);

  return [
    {
      method: 'GET',
      path: '/v2/runner/apps/:app_id/triggerBySource/:trigger_type/*trigger_source',
      handle: async ({ params }, res) => {
        // A source begins with a slash, so the path has two in a row: `…/http//hello`.
        const source = [params.trigger_source ?? ''].flat().join('/');
        const found = await store.triggers.bySource(String(params.app_id), String(params.trigger_type), source);
        sendJson(res, 200, triggerToJson(found));
      },
    },
    { method: 'POST', path: '/v2/runner/start', handle: discard },
    { method: 'POST', path: '/v2/runner/finish', handle: discard },
    // Calls and their logs are no longer stored; clients handle this response.
    { method: 'GET', path: '/v2/fns/:fn_id/calls', handle: gone },
    { method: 'GET', path: '/v2/fns/:fn_id/calls/:call_id', handle: gone },
    { method: 'GET', path: '/v2/fns/:fn_id/calls/:call_id/log', handle: gone },
  ];
}
