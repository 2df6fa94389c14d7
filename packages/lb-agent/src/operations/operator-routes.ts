import { epochMs, FnError, systemClock, VERSION } from '@fnfleet/core';
import { type Route, sendJson } from '@fnfleet/http';
import type { FleetAnswer, RunnerLine } from '@fnfleet/operator-api';
import type { RunnerStatusLine } from '@fnfleet/placement';
import { type AboutPull, loadJson } from '@fnfleet/protocol';
import type { FunctionLookup } from '../lookup/function-lookup.js';
import type { ApiNodeStatus } from '../lookup/function-source.js';
import type { LbOperations } from './operations.js';

/** Time limit for the answers of runners, milliseconds. */
const ASK_RUNNERS_MS = 1_000;
/** Time limit for the API nodes; shorter than that of clients for this balancer. Milliseconds. */
const ASK_API_MS = 3_000;

/** Reports the state of the runners and the API nodes of this balancer; with `?ask=1` it queries them first. */
export function fleetRoute(operations: Pick<LbOperations, 'fleet'>, lookup: Pick<FunctionLookup, 'apiNodes'>): Route {
  return {
    method: 'GET',
    path: '/fleet',
    access: 'operator',
    async handle(req, res) {
      const ask = req.query.ask === '1';
      const [fleet, apiNodes] = await Promise.all([
        operations.fleet(ask ? ASK_RUNNERS_MS : 0),
        ask ? lookup.apiNodes?.(ASK_API_MS) : undefined,
      ]);
      const self = { version: VERSION, now_ms: epochMs(systemClock.wallNow()), ...apiJson(apiNodes) };
      if (fleet === undefined) return sendJson(res, 200, { ...self, runners: [] } satisfies FleetAnswer);
      sendJson(res, 200, {
        ...self,
        waiting: fleet.waiting,
        in_flight: fleet.inFlight,
        pool: fleet.pool && {
          kind: fleet.pool.kind,
          source: fleet.pool.source,
          list_age_ms: fleet.pool.listAgeMs,
          changed_age_ms: fleet.pool.changedAgeMs,
          failing: fleet.pool.failing,
          last_failure: fleet.pool.lastFailure && {
            reason: fleet.pool.lastFailure.reason,
            age_ms: fleet.pool.lastFailure.ageMs,
          },
          leaving: fleet.pool.leaving,
          refused: fleet.pool.refused,
        },
        cordons: fleet.cordons,
        troubles: fleet.troubles,
        runners: fleet.runners.map(runnerJson),
      } satisfies FleetAnswer);
    },
  };
}

/** `api` is what releases with a single API node report: the one in use, and why no lookup is possible. */
function apiJson(nodes: readonly ApiNodeStatus[] = []): Pick<FleetAnswer, 'api' | 'api_nodes'> {
  const api = nodes.find(({ trouble }) => trouble === undefined) ?? nodes.find(({ inUse }) => inUse) ?? nodes[0];
  return {
    api: api && { url: api.url, trouble: api.trouble },
    api_nodes:
      nodes.length > 0
        ? nodes.map(({ url, inUse, feed, trouble }) => ({ url, in_use: inUse, feed, trouble }))
        : undefined,
  };
}

function runnerJson({ address, state, reason, cordoned, load, identity, ...line }: RunnerStatusLine): RunnerLine {
  const about = identity?.about;
  return {
    address,
    state,
    reason,
    cordoned,
    in_flight: line.inFlight,
    weight: line.weight,
    warm_functions: line.warmFunctions,
    name: about?.name,
    version: about?.version,
    http_port: about?.httpPort,
    hot_functions: about?.hotFunctions,
    hot_containers: about?.hotContainers,
    clock_skew_ms: identity?.clockSkewMs,
    clock_uncertainty_ms: identity?.uncertaintyMs,
    load: load && loadJson(load),
  };
}

/** Maximum number of runners that a message names individually. */
const MOST_NAMED = 10;

/**
 * Cordons runners by address, Fn runners included. A cordon lasts as long as the process, even while the runner is not
 * in the pool.
 */
export function cordonRoutes(operations: Pick<LbOperations, 'setCordoned' | 'fleet'>): Route[] {
  const route = (method: string, cordoned: boolean): Route => ({
    method,
    path: '/fleet/cordons/*address',
    access: 'operator',
    async handle(req, res) {
      const address = addressIn(req.params);
      const isKnown = await operations.setCordoned(address, cordoned);
      const fleet = await operations.fleet(0);
      if (!isKnown) throw new FnError('runnerNotInPool', { params: { address, known: namesOf(fleet?.runners ?? []) } });
      sendJson(res, 200, { cordons: fleet?.cordons ?? [] });
    },
  });
  return [route('PUT', true), route('DELETE', false)];
}

/** The address of a runner in the path of a request. That of a unix socket has slashes, and is several segments. */
export function addressIn({ address = '' }: Readonly<Record<string, string | string[]>>): string {
  return [address].flat().join('/');
}

function namesOf(runners: readonly { readonly address: string }[]): string {
  if (runners.length === 0) return 'none';
  if (runners.length > MOST_NAMED) return `${runners.length} others`;
  return runners.map(({ address }) => address).join(', ');
}

/** `GET /pulls`: the images that are being pulled for calls, with their progress. */
export function pullsRoute(pulls: () => Promise<readonly AboutPull[]>): Route {
  return {
    method: 'GET',
    path: '/pulls',
    access: 'operator',
    handle: async (_req, res) =>
      sendJson(res, 200, {
        pulls: (await pulls()).map(({ image, receivedBytes, totalBytes }) => ({
          image,
          received_bytes: receivedBytes,
          total_bytes: totalBytes,
        })),
      }),
  };
}

/** The pulls of all runners of a balancer. */
export async function pullsOfRunners({ fleet }: Pick<LbOperations, 'fleet'>): Promise<readonly AboutPull[]> {
  const runners = (await fleet(ASK_RUNNERS_MS))?.runners ?? [];
  return runners.flatMap(({ identity }) => identity?.about.pulls ?? []);
}

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
