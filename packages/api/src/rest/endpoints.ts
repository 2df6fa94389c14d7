import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { type Annotations, type App, type Fn, SCHEDULE_TYPE, type Trigger } from '@fnfleet/core';
import { fitsAnnotation } from '@fnfleet/core/resources';

/** The URLs of functions and triggers that are shown to clients. An embedder may provide its own. */
export interface EndpointUrls {
  fn(fn: Fn, req: IncomingMessage): string;
  trigger(trigger: Trigger, app: App, req: IncomingMessage): string;
}

const FN_KEY = 'fnproject.io/fn/invokeEndpoint';
const TRIGGER_KEY = 'fnproject.io/trigger/httpEndpoint';

/** @param publicLbUrl base URL of the balancers; empty: the host of the request */
export function endpointUrls(publicLbUrl: string): EndpointUrls {
  const base = (req: IncomingMessage) => publicLbUrl.replace(/\/$/, '') || ownUrl(req);
  return {
    fn: (fn, req) => `${base(req)}/invoke/${fn.id}`,
    trigger: (trigger, app, req) => `${base(req)}/t/${encodedPath(`${app.name}/${trigger.source.replace(/^\//, '')}`)}`,
  };
}

export function withFnEndpoint(fn: Fn, urls: EndpointUrls, req: IncomingMessage): Fn {
  return { ...fn, annotations: withEndpoint(fn.annotations, FN_KEY, urls.fn(fn, req)) };
}

/** Only paths have one. */
export function withTriggerEndpoint(trigger: Trigger, app: App, urls: EndpointUrls, req: IncomingMessage): Trigger {
  if (trigger.type === SCHEDULE_TYPE) return trigger;
  const url = urls.trigger(trigger, app, req);
  return { ...trigger, annotations: withEndpoint(trigger.annotations, TRIGGER_KEY, url) };
}

/** Leaves out a URL that is too long for an annotation, so that the function stays readable. */
function withEndpoint(annotations: Annotations, key: string, url: string): Annotations {
  return fitsAnnotation(url) ? { ...annotations, [key]: url } : annotations;
}

/** Encodes a path so that a balancer decodes it to the same path. Names and sources may contain any character. */
function encodedPath(path: string): string {
  return encodeURI(path.toWellFormed()).replace(/[?#]/g, encodeURIComponent);
}

function ownUrl(req: IncomingMessage): string {
  const scheme = (req.socket as TLSSocket).encrypted ? 'https' : 'http';
  return `${scheme}://${req.headers.host ?? ''}`;
}
