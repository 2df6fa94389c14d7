import { triggerToJson } from '@fnfleet/core';
import { type RouteHandler, sendJson } from '@fnfleet/http';
import type { Datastore } from '../datastore/datastore.js';

/** Handlers for balancers that look functions up. */
export function runnerHandlers(store: Datastore): Record<'getTriggerBySource', RouteHandler> {
  return {
    async getTriggerBySource({ params }, res) {
      // A source begins with a slash, so the path has two in a row: `…/http//hello`.
      const source = [params.trigger_source ?? ''].flat().join('/');
      const found = await store.triggers.bySource(String(params.app_id), String(params.trigger_type), source);
      sendJson(res, 200, triggerToJson(found));
    },
  };
}
