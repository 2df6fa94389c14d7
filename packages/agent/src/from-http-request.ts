import type { IncomingMessage } from 'node:http';
import { type App, CallTemplate, type Fn, type HeaderMap, headersFromRaw, headerToText } from '@fnfleet/core';
import type { CallOption } from './call-options.js';
import { IncomingBody } from './incoming-body.js';

/** A new call of a function from an HTTP request, whose body it takes. For nodes that execute what they are asked. */
export function fromHttpRequest(app: App, fn: Fn, request: IncomingMessage): CallOption {
  return (draft) => {
    draft.model = new CallTemplate(app, fn).call({
      id: draft.newId(),
      type: 'sync',
      method: request.method ?? '',
      url: absoluteUrl(request),
      headers: headersOf(request),
      createdAt: draft.nowMs,
    });
    draft.body = new IncomingBody(request);
  };
}

function headersOf(request: IncomingMessage): HeaderMap {
  const headers = headersFromRaw(request.rawHeaders);
  for (const name in headers) headers[name] = headers[name]?.map(headerToText) ?? [];
  return headers;
}

function absoluteUrl(request: IncomingMessage): string {
  const target = request.url ?? '/';
  if (!target.startsWith('/')) return target;
  const scheme = 'encrypted' in request.socket ? 'https' : 'http';
  return `${scheme}://${request.headers.host ?? ''}${target}`;
}
