import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Clock, type ErrorCode, FnError, type IdGenerator, MIB, type WallMs } from '@fnfleet/core';
import { type RouteHandler, readBody, sendEmpty, sendJson } from '@fnfleet/http';
import type { Collection } from '../datastore/datastore.js';
import { Conditions, etagOf } from './conditions.js';
import { notify, type ResourceListener } from './listeners.js';
import { type Naming, nextCursor, pageOf } from './paging.js';

/** A kind of resource under `/v2`: the differences between apps, functions and triggers. */
export interface Resource<T extends { id: string; name: string }, F> {
  /** `app_id` */
  readonly idParam: string;
  readonly naming: Naming;
  readonly idMismatch: ErrorCode;
  readonly collection: Collection<T, F>;
  readonly listeners: readonly ResourceListener<T>[];
  parse(json: string): Partial<T>;
  make(input: Partial<T>, id: string, now: WallMs): T;
  change(current: T, change: Partial<T>, now: WallMs): T;
  /** Throws FnError when the query lacks a required parameter. */
  filter(query: URLSearchParams): F;
  /** The representation for reads, with endpoints. */
  show(items: readonly T[], req: IncomingMessage): Promise<object[]>;
  showCreated(item: T, req: IncomingMessage): Promise<object>;
  /** The representation after an update, and what the entity tag is computed from: only what is stored. */
  showUpdated(item: T): object;
}

export interface ResourceContext {
  readonly clock: Pick<Clock, 'wallNow'>;
  readonly ids: IdGenerator;
  /** 0: no additional limit of the node. */
  readonly maxRequestBytes: number;
}

/** Maximum body of a resource, whatever the limit for calls is. */
const LARGEST_RESOURCE_BYTES = MIB;

/** Handlers that list, create, read, change and delete a kind of resource. */
export function resourceHandlers<T extends { id: string; name: string }, F>(
  resource: Resource<T, F>,
  context: ResourceContext,
): Record<'list' | 'create' | 'read' | 'update' | 'remove', RouteHandler> {
  const { collection, listeners } = resource;
  const { clock, ids } = context;
  const idOf = (req: { params: Record<string, unknown> }) => String(req.params[resource.idParam]);
  const tagOf = (item: T) => etagOf(resource.showUpdated(item));
  const send = (res: ServerResponse, item: T, shown: object) => {
    res.setHeader('ETag', tagOf(item));
    sendJson(res, 200, shown);
  };

  const list: RouteHandler = async (req, res) => {
    const query = queryOf(req);
    const page = pageOf(query);
    const items = await collection.list({ ...resource.filter(query), ...page });
    sendJson(res, 200, {
      next_cursor: nextCursor(items, page.limit, resource.naming) || undefined,
      items: await resource.show(items, req),
    });
  };

  const create: RouteHandler = async (req, res) => {
    Conditions.of(req).checkChange(undefined);
    const input = resource.parse(await bodyText(req, context));
    await notify(listeners, (listener) => listener.beforeCreate?.(input));
    const now = clock.wallNow();
    const created = await collection.insert(resource.make(input, ids.next(now), now));
    await notify(listeners, (listener) => listener.afterCreate?.(created));
    send(res, created, await resource.showCreated(created, req));
  };

  const read: RouteHandler = async (req, res) => {
    const conditions = Conditions.of(req);
    const item = await collection.get(idOf(req));
    if (conditions.checkRead(tagOf(item))) {
      res.setHeader('ETag', tagOf(item));
      sendEmpty(res, 304);
      return;
    }
    const [shown = {}] = await resource.show([item], req);
    send(res, item, shown);
  };

  const update: RouteHandler = async (req, res) => {
    const id = idOf(req);
    const conditions = Conditions.of(req);
    const change = resource.parse(await bodyText(req, context));
    if (change.id && change.id !== id) throw new FnError(resource.idMismatch);
    await notify(listeners, (listener) => listener.beforeUpdate?.(id, change));
    const updated = await collection.update(id, (current) => {
      conditions.checkChange(tagOf(current));
      return resource.change(current, change, clock.wallNow());
    });
    await notify(listeners, (listener) => listener.afterUpdate?.(updated));
    send(res, updated, resource.showUpdated(updated));
  };

  const remove: RouteHandler = async (req, res) => {
    const id = idOf(req);
    const conditions = Conditions.of(req);
    await notify(listeners, (listener) => listener.beforeDelete?.(id));
    await collection.remove(id, (current) => conditions.checkChange(tagOf(current)));
    await notify(listeners, (listener) => listener.afterDelete?.(id));
    sendEmpty(res, 204);
  };

  return { list, create, read, update, remove };
}

export async function bodyText(req: IncomingMessage, context: ResourceContext): Promise<string> {
  return (await readBody(req, maxResourceBytes(context))).toString('utf8');
}

export function maxResourceBytes({ maxRequestBytes }: ResourceContext): number {
  return Math.min(maxRequestBytes || LARGEST_RESOURCE_BYTES, LARGEST_RESOURCE_BYTES);
}

export function queryOf(req: IncomingMessage): URLSearchParams {
  return new URLSearchParams(/\?(.*)$/s.exec(req.url ?? '')?.[1]);
}
