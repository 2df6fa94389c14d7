import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Clock, count, ERRORS, observe, systemClock } from '@fnfleet/core';

/** What the metrics of a request say about it. Whoever learns more sets it before the answer is complete. */
export interface RequestLabels {
  /** Template of the route, never the path itself: clients choose paths. */
  route: string;
  /** `user` when an invoked function answered, well or badly; `service` for everything else. */
  blame: 'user' | 'service';
}

/** Counts a request and measures the time to its end, under the labels it has then. */
export function measureRequest(
  req: IncomingMessage,
  res: ServerResponse,
  clock: Pick<Clock, 'nowNs'> = systemClock,
): RequestLabels {
  const labels: RequestLabels = { route: 'invalid', blame: 'service' };
  const startedNs = clock.nowNs();
  res.once('close', () => {
    const request = { path: labels.route, method: req.method };
    // A client that left before the answer was complete is counted as such, whatever the answer would have been.
    const status = res.writableFinished ? res.statusCode : ERRORS.clientCancelled.status;
    const response = { ...request, status, blame: labels.blame };
    count('api/request_count', 1, request);
    count('api/response_count', 1, response);
    observe('api/latency', Number(clock.nowNs() - startedNs) / 1e6, response);
  });
  return labels;
}
