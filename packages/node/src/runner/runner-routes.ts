import { type Route, sendJson } from '@fnfleet/http';
import type { OperatorDrain } from './operator-drain.js';

/** Operator routes of a runner. Each responds with the resulting state of the runner. */
export function runnerRoutes(drain: Pick<OperatorDrain, 'drain' | 'undrain'>, report: () => object): Route[] {
  return [
    {
      method: 'GET',
      path: '/runner',
      access: 'operator',
      handle: (_req, res) => sendJson(res, 200, report()),
    },
    {
      method: 'POST',
      path: '/drain',
      access: 'operator',
      async handle(_req, res) {
        await drain.drain();
        sendJson(res, 200, report());
      },
    },
    {
      method: 'DELETE',
      path: '/drain',
      access: 'operator',
      handle(_req, res) {
        drain.undrain();
        sendJson(res, 200, report());
      },
    },
  ];
}
