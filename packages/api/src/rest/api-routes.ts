import type { App, Fn, Trigger } from '@fnfleet/core';
import type { Route } from '@fnfleet/http';
import type { Datastore } from '../datastore/datastore.js';
import type { EndpointUrls } from './endpoints.js';
import type { ResourceListener } from './listeners.js';
import { type ResourceContext, resourceRoutes } from './resource-routes.js';
import { appResource, fnResource, triggerResource } from './resources.js';
import { runnerRoutes } from './runner-routes.js';

export interface ApiListeners {
  readonly app?: readonly ResourceListener<App>[];
  readonly fn?: readonly ResourceListener<Fn>[];
  readonly trigger?: readonly ResourceListener<Trigger>[];
}

/** All routes under `/v2`. */
export function apiRoutes(
  store: Datastore,
  urls: EndpointUrls,
  listeners: ApiListeners,
  context: ResourceContext,
): Route[] {
  const routes = [
    ...resourceRoutes(appResource(store, listeners.app ?? []), context),
    ...resourceRoutes(fnResource(store, urls, listeners.fn ?? []), context),
    ...resourceRoutes(triggerResource(store, urls, listeners.trigger ?? []), context),
    ...runnerRoutes(store, context),
  ];
  return routes.map((route) => ({ ...route, access: 'operator' }));
}
