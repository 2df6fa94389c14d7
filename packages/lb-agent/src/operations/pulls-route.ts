import { type Route, sendJson } from '@fnfleet/http';
import type { AboutPull } from '@fnfleet/protocol';
import type { LbOperations } from './operations.js';

/** Time limit for the answers of runners about their pulls, milliseconds. */
const ASK_MS = 1_000;

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
  const runners = (await fleet(ASK_MS))?.runners ?? [];
  return runners.flatMap(({ identity }) => identity?.about.pulls ?? []);
}
