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
import { whenClosed } from './response-close.js';

/** Labels for the metrics of a request. Handlers may change them until the response is complete. */
export interface RequestLabels {
  /** Template of the route, never the path itself: clients choose paths. */
  route: string;
  /** `user` if an invoked function produced the response, good or bad; `service` for everything else. */
  blame: 'user' | 'service';
  /** Trace context for all work on the request. */
  readonly trace: TraceContext;
  /** Called when the client disconnects before its response is complete. */
  onLeft?: (() => void) | undefined;
}

/** Paths that monitoring polls every few seconds; their spans would only be noise. */
const NOT_TRACED: ReadonlySet<string> = new Set(['/', '/healthz', '/readyz', '/metrics', '/version']);

/** Counts a request, measures its duration with the labels it has at its end, and opens its first span here. */
export function measureRequest(
  req: IncomingMessage,
  res: ServerResponse,
  clock: Pick<Clock, 'now'> = systemClock,
): RequestLabels {
  const opened = openRequestSpan(req);
  const trace = opened?.context ?? NO_TRACE;
  const labels: RequestLabels = { route: 'invalid', blame: 'service', trace, onLeft: undefined };
  const startedAt = clock.now();
  whenClosed(res, () => {
    // A client that disconnected before the response was complete is counted as such, whatever its status was.
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

/**
 * Label objects are cached, because nearly all requests repeat earlier labels and the same object is found without a
 * text key.
 */
const knownLabels = new Map<string, SeriesLabels>();
/** Cache limit: clients and functions choose methods and statuses. */
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

/** @returns undefined if the request is not traced */
function openRequestSpan({ method = '', headers, url = '' }: IncomingMessage): OpenSpan | undefined {
  if (!entersTrace(headers, headers['fn-explain'] === '1') || NOT_TRACED.has(url)) return undefined;
  return openServerSpan(method, headers);
}

/** Closes the span with the name and attributes of the OpenTelemetry conventions for HTTP. */
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
