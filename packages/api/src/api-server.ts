import {
  type Clock,
  type DrainResult,
  IdGenerator,
  type Logger,
  Once,
  type Service,
  silentLogger,
  systemClock,
} from '@fnfleet/core';
import { type AccessGuard, createNodeApp, type HttpAddress, HttpService, type NodeAppOptions } from '@fnfleet/http';
import type { TlsIdentity } from '@fnfleet/tls';
import { LazyQueue } from './async/queue-access.js';
import type { Datastore } from './datastore/datastore.js';
import { databaseOptions, openDatastore } from './datastore/open-datastore.js';
import { type ChangeFeeds, newChangeFeeds } from './feed/change-feeds.js';
import { type ApiListeners, apiRoutes } from './rest/api-routes.js';
import { type EndpointUrls, endpointUrls } from './rest/endpoints.js';
import { type Scheduler, startScheduler } from './schedules/scheduler.js';
import type { ApiSettings } from './settings.js';

export interface ApiServerOptions {
  readonly settings: ApiSettings;
  /** `FN_BIND_ADDRESS` */
  readonly host: string;
  /** `FN_PORT`. 0 selects a free port. */
  readonly port: number;
  /** Replaces the datastore that `FN_DB_URL` names. Its owner closes it. */
  readonly datastore?: Datastore;
  readonly logger?: Logger;
  /** Handler for `GET /metrics`. */
  readonly metrics?: NodeAppOptions['metrics'];
  /** State for `GET /readyz`. */
  readonly readiness?: NodeAppOptions['readiness'];
  /** Express middleware around every route. */
  readonly middleware?: NodeAppOptions['middleware'];
  readonly listeners?: ApiListeners;
  /** Replaces the endpoints that `FN_PUBLIC_LB_URL` determines. */
  readonly endpoints?: EndpointUrls;
  readonly tls?: TlsIdentity;
  /** Authorizes requests. By default it refuses only web pages of other origins. */
  readonly guard?: AccessGuard;
  readonly clock?: Clock;
}

export interface ApiServer extends Service {
  /** The address of the port. Throws before `ready` has resolved. */
  readonly address: HttpAddress;
}

/**
 * An API node: serves apps, functions and triggers over REST from a datastore. It starts at construction; `ready`
 * rejects if the datastore or the port cannot be opened.
 */
export function newApiServer(options: ApiServerOptions): ApiServer {
  return new RunningApiServer(options);
}

class RunningApiServer implements ApiServer {
  readonly ready: Promise<void>;
  private readonly log: Logger;
  private http: HttpService | undefined;
  private ownStore: Datastore | undefined;
  /** Ends the wait for a database that is not available. */
  private readonly stopping = new AbortController();
  private feeds: ChangeFeeds | undefined;
  private queue: LazyQueue | undefined;
  private scheduler: Scheduler | undefined;
  private readonly closing = new Once(() => this.closeOnce());

  constructor(private readonly options: ApiServerOptions) {
    this.log = options.logger ?? silentLogger;
    this.ready = this.start();
    // Without a listener, a rejection of `ready` would end the process.
    this.ready.catch(() => this.close());
  }

  get address(): HttpAddress {
    if (this.http === undefined) throw new Error('the API server is not ready');
    return this.http.address;
  }

  async drain(grace: { graceMs: number }): Promise<DrainResult> {
    this.stopping.abort();
    await this.ready.catch(() => undefined);
    this.feeds?.close();
    this.scheduler?.end();
    this.queue?.end();
    const result = (await this.http?.drain(grace)) ?? 'drained';
    await this.close();
    return result;
  }

  close(): Promise<void> {
    return this.closing.call();
  }

  private async start(): Promise<void> {
    const { options } = this;
    const { settings } = options;
    const store = options.datastore ?? (await this.openStore());
    const clock = options.clock ?? systemClock;
    this.feeds = newChangeFeeds(store, settings, { clock, logger: this.log });
    this.queue = new LazyQueue(settings, { clock, logger: this.log, store, feeds: this.feeds });
    const app = createNodeApp({
      settings,
      logger: this.log,
      metrics: this.queue.measured(options.metrics),
      readiness: options.readiness,
      middleware: options.middleware,
      guard: options.guard,
      routes: apiRoutes(store, options.endpoints ?? endpointUrls(settings.publicLbUrl), options.listeners ?? {}, {
        clock,
        ids: new IdGenerator(),
        maxRequestBytes: settings.maxRequestBytes,
        publicLbUrl: settings.publicLbUrl,
        feeds: this.feeds,
        queue: this.queue,
        maxAsyncBodyBytes: settings.mqMaxBody,
        maxAsyncHeldBytes: settings.asyncHeldBytes,
        callbackSecrets: settings.callbackSecret,
        maxSchedules: settings.schedulesMax,
      }),
    });
    const { host, port, tls } = options;
    this.http = new HttpService({ handler: app, host, port, limits: settings, tls, logger: this.log, clock });
    await this.http.ready;
    this.scheduler = startScheduler({ store, queue: this.queue, clock, logger: this.log });
    this.queue.deliverLeft();
    this.log.info('API node is ready', { url: this.http.address.url });
  }

  private async openStore(): Promise<Datastore> {
    this.ownStore = await openDatastore(this.options.settings.dbUrl, {
      ...databaseOptions(this.options.settings),
      logger: this.log,
      signal: this.stopping.signal,
    });
    return this.ownStore;
  }

  private async closeOnce(): Promise<void> {
    this.stopping.abort();
    await this.ready.catch(() => undefined);
    this.feeds?.close();
    this.queue?.end();
    await this.http?.close();
    await this.scheduler?.close();
    await this.ownStore?.close();
    await this.queue?.close();
  }
}
