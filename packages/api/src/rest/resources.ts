import {
  type App,
  appToJson,
  type Fn,
  FnError,
  fnToJson,
  formatDate,
  SCHEDULE_TYPE,
  type Trigger,
  triggerToJson,
} from '@fnfleet/core';
import {
  changedApp,
  changedFn,
  changedTrigger,
  newApp,
  newFn,
  newTrigger,
  parseAppInput,
  parseFnInput,
  parseTriggerInput,
} from '@fnfleet/core/resources';
import type { AppFilter, Datastore, FnFilter, ScheduleState, TriggerFilter } from '../datastore/datastore.js';
import { type EndpointUrls, withFnEndpoint, withTriggerEndpoint } from './endpoints.js';
import type { ResourceListener } from './listeners.js';
import type { Resource } from './resource-handlers.js';

export function appResource(store: Datastore, listeners: readonly ResourceListener<App>[]): Resource<App, AppFilter> {
  return {
    idParam: 'app_id',
    naming: 'unique',
    idMismatch: 'appIdMismatch',
    collection: store.apps,
    listeners,
    parse: parseAppInput,
    make: newApp,
    change: changedApp,
    filter: (query) => ({ name: query.get('name') || undefined }),
    show: async (apps) => apps.map(appToJson),
    showCreated: async (app) => appToJson(app),
    showUpdated: appToJson,
  };
}

export function fnResource(
  store: Datastore,
  urls: EndpointUrls,
  listeners: readonly ResourceListener<Fn>[],
): Resource<Fn, FnFilter> {
  return {
    idParam: 'fn_id',
    naming: 'unique',
    idMismatch: 'fnIdMismatch',
    collection: store.fns,
    listeners,
    parse: parseFnInput,
    make: newFn,
    change: changedFn,
    filter: (query) => ({
      appId: required(query, 'app_id', 'fnAppIdMissing'),
      name: query.get('name') || undefined,
    }),
    show: async (fns, req) => fns.map((fn) => fnToJson(withFnEndpoint(fn, urls, req))),
    showCreated: async (fn, req) => fnToJson(withFnEndpoint(fn, urls, req), {}),
    showUpdated: (fn) => fnToJson(fn),
  };
}

export function triggerResource(
  store: Datastore,
  urls: EndpointUrls,
  listeners: readonly ResourceListener<Trigger>[],
): Resource<Trigger, TriggerFilter> {
  const show: Resource<Trigger, TriggerFilter>['show'] = async (triggers, req) => {
    const [first] = triggers;
    if (first === undefined) return [];
    const app = await appOf(store, first);
    const scheduled = triggers.filter(({ type }) => type === SCHEDULE_TYPE).map(({ id }) => id);
    const states = await store.schedules.states(scheduled);
    return triggers.map((trigger) => ({
      ...triggerToJson(app ? withTriggerEndpoint(trigger, app, urls, req) : trigger),
      ...firingsToJson(states.get(trigger.id)),
    }));
  };
  return {
    idParam: 'trigger_id',
    naming: 'repeating',
    idMismatch: 'triggerIdMismatch',
    collection: store.triggers,
    listeners,
    parse: parseTriggerInput,
    make: newTrigger,
    change: changedTrigger,
    filter: (query) => ({
      appId: required(query, 'app_id', 'triggerAppIdMissing'),
      fnId: query.get('fn_id') || undefined,
      name: query.get('name') || undefined,
    }),
    show,
    showCreated: async (trigger, req) => (await show([trigger], req))[0] ?? {},
    showUpdated: triggerToJson,
  };
}

/** When a schedule fires next, and when it has fired last. */
function firingsToJson({ nextAt, firedAt }: Partial<ScheduleState> = {}): object {
  return {
    next_fire_at: nextAt && formatDate(nextAt),
    last_fire_at: firedAt && formatDate(firedAt),
  };
}

/** All triggers of a response belong to one app. If it has just been deleted, no endpoint is shown. */
async function appOf(store: Datastore, trigger: Trigger): Promise<App | undefined> {
  try {
    return await store.apps.get(trigger.appId);
  } catch (error) {
    if (error instanceof FnError && error.code === 'appNotFound') return undefined;
    throw error;
  }
}

function required(query: URLSearchParams, name: string, missing: FnError['code']): string {
  const value = query.get(name);
  if (!value) throw new FnError(missing);
  return value;
}
