import type { IncomingMessage } from 'node:http';
import { type HeaderMap, headersFromRaw, headerToText, isHopByHop } from '@fnfleet/core';

const PREFIX = 'Fn-Http-H-';

/** The headers of a direct invoke: the request's own, except those that only describe its connection to us. */
export function invokeHeaders(req: IncomingMessage): HeaderMap {
  const headers = headersFromRaw(req.rawHeaders);
  delete headers.Host;
  delete headers['Transfer-Encoding'];
  for (const values of Object.values(headers)) {
    for (let i = 0; i < values.length; i += 1) values[i] = headerToText(values[i] as string);
  }
  return headers;
}

/**
 * The headers of a call through a trigger. Every header of the client is renamed, so that none can pass for one of
 * the platform's own; a trigger can therefore never be invoked detached.
 */
export function triggerHeaders(headers: HeaderMap, method: string, url: string): HeaderMap {
  const mapped: HeaderMap = {};
  for (const [name, values] of Object.entries(headers)) {
    if (name === 'Content-Type') mapped[name] = values;
    else if (!isHopByHop(name, values[0] ?? '')) mapped[PREFIX + name] = values;
  }
  mapped['Fn-Http-Method'] = [method];
  mapped['Fn-Http-Request-Url'] = [url];
  mapped['Fn-Intent'] = ['httprequest'];
  return mapped;
}
