import { FnError } from '@fnfleet/core';
import { type Route, sendJson } from '@fnfleet/http';
import type { LBAgent } from '../lb-agent.js';

/** Tells what became of a call. */
export function explainRoute(agent: Pick<LBAgent, 'explain'>): Route {
  return {
    method: 'GET',
    path: '/explain/:call_id',
    access: 'operator',
    handle(req, res) {
      const explanation = agent.explain(String(req.params.call_id));
      if (explanation === undefined) throw new FnError('callNotRemembered');
      sendJson(res, 200, explanation);
    },
  };
}
