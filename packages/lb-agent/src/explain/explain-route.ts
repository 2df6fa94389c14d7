import { FnError } from '@fnfleet/core';
import { type Route, sendJson } from '@fnfleet/http';
import type { LbOperations } from '../operations/operations.js';

/** The route that explains a call. */
export function explainRoute(operations: Pick<LbOperations, 'explain'>): Route {
  return {
    method: 'GET',
    path: '/explain/:call_id',
    access: 'operator',
    async handle(req, res) {
      const explanation = await operations.explain(String(req.params.call_id));
      if (explanation === undefined) throw new FnError('callNotRemembered');
      sendJson(res, 200, explanation);
    },
  };
}
