import type { IncomingMessage } from 'node:http';
import { type App, CallTemplate, type Fn, headersFromRaw, requestUrl } from '@fnfleet/core';
import type { CallOption } from './call-options.js';
import { IncomingBody } from './incoming-body.js';

/** Builds a new call of a function from an HTTP request and its body. For nodes that execute their own requests. */
export function fromHttpRequest(app: App, fn: Fn, request: IncomingMessage): CallOption {
  return (draft) => {
    draft.model = new CallTemplate(app, fn).call({
      id: draft.newId(),
      type: 'sync',
      method: request.method ?? '',
      url: requestUrl(request),
      headers: headersFromRaw(request.rawHeaders),
      createdAt: draft.createdAt,
    });
    draft.body = new IncomingBody(request);
  };
}
