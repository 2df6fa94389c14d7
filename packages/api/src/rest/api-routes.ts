import { type App, type Clock, type Fn, FnError, SCHEDULE_TYPE, type Trigger } from '@fnfleet/core';
import { HeldBodies, type Route, type RouteHandler } from '@fnfleet/http';
import { callHandlers } from '../async/call-handlers.js';
import { fnQueueHandlers } from '../async/fn-queue-handlers.js';
import type { QueueAccess } from '../async/queue-access.js';
import { saveQueue } from '../async/queue-backup.js';
import { queueHandlers } from '../async/queue-handlers.js';
import { callbackHandlers } from '../callbacks/callback-handlers.js';
import type { Datastore } from '../datastore/datastore.js';
import type { ChangeFeeds } from '../feed/change-feeds.js';
import { documentHandlers } from '../openapi/document-handlers.js';
import { API_OPERATIONS, type ApiOperationId } from '../openapi/operations.js';
import type { EndpointUrls } from './endpoints.js';
import type { ResourceListener } from './listeners.js';
import { maxResourceBytes, type ResourceContext, resourceHandlers } from './resource-handlers.js';
import { appResource, fnResource, triggerResource } from './resources.js';
import { runnerHandlers } from './runner-handlers.js';

/** An app may have at most this many times as many schedules as there is room left. */
const MAX_GREED = 8;

export interface ApiListeners {
  readonly app?: readonly ResourceListener<App>[];
  readonly fn?: readonly ResourceListener<Fn>[];
  readonly trigger?: readonly ResourceListener<Trigger>[];
}

export interface ApiContext extends ResourceContext {
  readonly clock: Pick<Clock, 'now' | 'wallNow'>;
  /** `FN_PUBLIC_LB_URL`: where the OpenAPI document says that functions are called. */
  readonly publicLbUrl: string;
  readonly feeds: Pick<ChangeFeeds, 'openStream'>;
  readonly queue: QueueAccess;
  /** `FN_MQ_MAX_BODY` */
  readonly maxAsyncBodyBytes: number;
  /** `FN_ASYNC_HELD_BYTES` */
  readonly maxAsyncHeldBytes: number;
  /** `FN_SCHEDULES_MAX` */
  readonly maxSchedules: number;

  /** `FN_CALLBACK_SECRET` */
  readonly callbackSecrets: readonly string[];
}

/** All routes under `/v2`: a handler for each declared operation. */
export function apiRoutes(store: Datastore, urls: EndpointUrls, listeners: ApiListeners, context: ApiContext): Route[] {
  const { queue } = context;
  const held = () => new HeldBodies({ maxBytes: context.maxAsyncHeldBytes, clock: context.clock });
  const bodies = { calls: held(), reservations: held(), ends: held() };
  const apps = resourceHandlers(appResource(store, [...(listeners.app ?? []), forget(queue)]), context);
  const fns = resourceHandlers(
    fnResource(store, urls, [...(listeners.fn ?? []), forget(queue), buryCalls(context)]),
    context,
  );
  const triggers = resourceHandlers(
    triggerResource(store, urls, [admitSchedules(store, context), ...(listeners.trigger ?? [])]),
    context,
  );
  const handlers: Record<ApiOperationId, RouteHandler> = {
    listApps: apps.list,
    createApp: apps.create,
    getApp: apps.read,
    updateApp: apps.update,
    deleteApp: apps.remove,
    listFns: fns.list,
    createFn: fns.create,
    getFn: fns.read,
    updateFn: fns.update,
    deleteFn: fns.remove,
    listTriggers: triggers.list,
    createTrigger: triggers.create,
    getTrigger: triggers.read,
    updateTrigger: triggers.update,
    deleteTrigger: triggers.remove,
    followChanges: (req, res) => context.feeds.openStream(req, res),
    ...runnerHandlers(store),
    ...queueHandlers(context.queue, bodies, context.maxAsyncBodyBytes),
    ...fnQueueHandlers(context.queue, store, {
      clock: context.clock,
      bodies,
      maxBodyBytes: context.maxAsyncBodyBytes,
      maxReportBytes: maxResourceBytes(context),
    }),
    ...callHandlers(context.queue, store),
    saveQueue: saveQueue(context.queue),
    ...callbackHandlers(store, context.callbackSecrets),
    ...documentHandlers(context.publicLbUrl),
  };
  return Object.entries(handlers).map(([id, handle]) => {
    const { method, path } = API_OPERATIONS[id as ApiOperationId];
    return { method, path, access: 'operator', handle };
  });
}

/** What owners have set for asynchronous calls applies to those that come after the response. */
function forget(queue: QueueAccess): ResourceListener<App | Fn> {
  return { afterUpdate: ({ id }) => queue.forget(id) };
}

/**
 * Ends the waiting calls of a deleted function. Those of another node's queue, or of a function that is deleted together with its
 * app, end when they would start.
 */
function buryCalls({ queue }: ApiContext): ResourceListener<Fn> {
  return {
    afterUpdate: ({ id }) => queue.forget(id),
    afterDelete: (fnId) =>
      queue.whenOpen((opened) =>
        opened.buryFunction(fnId, { code: 'fnNotFound', message: 'The function was deleted' }),
      ),
  };
}

/**
 * A schedule that could never fire is refused, and so is one beyond the limit, or beyond the share of its app. Requests at the same time
 * may pass these by a few.
 */
function admitSchedules({ schedules }: Datastore, { queue, maxSchedules }: ApiContext): ResourceListener<Trigger> {
  return {
    async beforeCreate({ type, appId = '' }) {
      if (type !== SCHEDULE_TYPE) return;
      if (!queue.exists) throw new FnError('scheduleWithoutQueue');
      const { total, own } = await schedules.count(appId);
      if (total >= maxSchedules) throw new FnError('schedulesTooMany', { params: { max: String(maxSchedules) } });
      if (own > MAX_GREED * (maxSchedules - total))
        throw new FnError('schedulesOverShare', { params: { own: String(own), total: String(total) } });
    },
  };
}
