import { type HeaderMap, isHopByHop } from '@fnfleet/core';

const PREFIX = 'Fn-Http-H-';

/**
 * The headers of a call through a trigger. Every header of the client is renamed, so that none can pass for a header of
 * the platform. Therefore a trigger can never be invoked detached.
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
