import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type Clock,
  closeSpan,
  count,
  ERRORS,
  entersTrace,
  type Labels,
  NO_TRACE,
  type OpenSpan,
  observe,
  openServerSpan,
  systemClock,
  type TraceContext,
} from '@fnfleet/core';

/** What the metrics of a request say about it. Whoever learns more sets it before the answer is complete. */
export interface RequestLabels {
  /** Template of the route, never the path itself: clients choose paths. */
  route: string;
  /** `user` when an invoked function answered, well or badly; `service` for everything else. */
  blame: 'user' | 'service';
  /** What happens for the request belongs to this. */
  readonly trace: TraceContext;
  /** Called when the client has gone before its answer was complete. */
  onLeft?: (() => void) | undefined;
}

/** Asked every few seconds, and of no interest to anybody who looks for a request. */
const NOT_TRACED: ReadonlySet<string> = new Set(['/', '/healthz', '/readyz', '/metrics', '/version']);

/** Counts a request, measures the time to its end under the labels it has then, and is its first span here. */
export function measureRequest(
  req: IncomingMessage,
  res: ServerResponse,
  clock: Pick<Clock, 'now'> = systemClock,
): RequestLabels {
  const opened = openRequestSpan(req);
  const trace = opened?.context ?? NO_TRACE;
  const labels: RequestLabels = { route: 'invalid', blame: 'service', trace, onLeft: undefined };
  const startedAt = clock.now();
  res.once('close', () => {
    // A client that left before the answer was complete is counted as such, whatever the answer would have been.
    const status = res.writableFinished ? res.statusCode : ERRORS.clientCancelled.status;
    if (!res.writableFinished) labels.onLeft?.();
    const { request, response } = seriesLabels(labels.route, req.method ?? '', status, labels.blame);
    count('api/request_count', 1, request);
    count('api/response_count', 1, response);
    observe('api/latency', clock.now() - startedAt, response);
    if (opened) closeRequestSpan(opened, req, labels, status);
  });
  return labels;
}

interface SeriesLabels {
  readonly request: Labels;
  readonly response: Labels;
}

/** Nearly all requests are like many before them: labels that are the same object are found without a key of all their texts. */
const knownLabels = new Map<string, SeriesLabels>();
/** Methods and statuses are the clients' and the functions' choice. */
const MAX_KNOWN = 1_000;

function seriesLabels(path: string, method: string, status: number, blame: RequestLabels['blame']): SeriesLabels {
  const key = `${status}${blame}${method}${path}`;
  let labels = knownLabels.get(key);
  if (labels === undefined) {
    const request = Object.freeze({ path, method });
    labels = { request, response: Object.freeze({ ...request, status, blame }) };
    if (knownLabels.size >= MAX_KNOWN) knownLabels.clear();
    knownLabels.set(key, labels);
  }
  return labels;
}

/** Undefined: the request belongs to no trace. */
function openRequestSpan({ method = '', headers, url = '' }: IncomingMessage): OpenSpan | undefined {
  if (!entersTrace(headers, headers['fn-explain'] === '1') || NOT_TRACED.has(url)) return undefined;
  return openServerSpan(method, headers);
}

/** Its name and attributes are those of HTTP in OpenTelemetry. */
function closeRequestSpan(opened: OpenSpan, req: IncomingMessage, { route }: RequestLabels, status: number): void {
  const { span } = opened;
  if (span.isRecording()) {
    span.updateName(`${req.method} ${route}`);
    span.setAttributes({
      'http.request.method': req.method,
      'http.route': route,
      'http.response.status_code': status,
    });
  }
  closeSpan(opened, status >= 500 ? `status ${status}` : undefined);
}
