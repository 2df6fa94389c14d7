import type { Agent } from '@fnfleet/agent';
import {
  type ApiListeners,
  type ApiSettings,
  apiRoutes,
  type ChangeFeeds,
  type Datastore,
  databaseOptions,
  endpointUrls,
  LazyQueue,
  newChangeFeeds,
  openDatastore,
  type Scheduler,
  startScheduler,
} from '@fnfleet/api';
import {
  type App,
  type Clock,
  type DrainResult,
  type Fn,
  FnError,
  IdGenerator,
  type Logger,
  Once,
  type Service,
  silentLogger,
  systemClock,
  type Trigger,
} from '@fnfleet/core';
import type { AccessGuard, HttpAddress, NodeAppOptions } from '@fnfleet/http';
import {
  CachedLookup,
  type ChangeListener,
  type FunctionSource,
  type LbServer,
  type LbSettings,
  newDirectDequeueAccess,
  newDirectEnqueueAccess,
  newLbServer,
} from '@fnfleet/lb-agent';
import type { TlsIdentity } from '@fnfleet/tls';
import { LocalPlacement } from './local-placement.js';

/** Settings of a balancer that apply without a choice of runners. */
export type FrontDoorSettings = Pick<
  LbSettings,
  'executionHeadroomMs' | 'completeBodyBytes' | 'clientStallMs' | 'requestIdHeader'
> &
  Partial<
    Pick<LbSettings, 'asyncConsumers' | 'asyncBusyPercent' | 'asyncSharePercent' | 'asyncLeaseMs' | 'asyncHeldBytes'>
  >;

export interface FullNodeOptions {
  /** Executes the calls. The node closes it at the end. */
  readonly agent: Agent;
  readonly settings: ApiSettings & FrontDoorSettings;
  readonly host: string;
  /** 0 selects a free port, which `address` reports. */
  readonly port: number;
  readonly metrics?: NodeAppOptions['metrics'];
  /** Reports the state for `GET /readyz`. */
  readonly readiness?: NodeAppOptions['readiness'];
  readonly tls?: TlsIdentity;
  /** Decides which requests are allowed; by default all but those of web pages from other origins. */
  readonly guard?: AccessGuard;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/**
 * All roles in one process, on one port: apps, functions and triggers over REST, the invocation endpoints of a
 * balancer, and an agent that executes calls.
 *
 * F1  The port opens when both datastore and agent are ready.
 * F2  A change over REST applies to every call that arrives after its response.
 * F3  Drain and close proceed in the direction of a call: the port, then the calls and the agent, then the datastore.
 */
export class FullNode implements Service {
  readonly ready: Promise<void>;
  private server: LbServer | undefined;
  private feeds: ChangeFeeds | undefined;
  private queue: LazyQueue | undefined;
  private scheduler: Scheduler | undefined;
  private graceMs = 0;
  /** Ends the wait for a database that is not available. */
  private readonly stopping = new AbortController();

  constructor(private readonly options: FullNodeOptions) {
    this.ready = this.start();
    this.ready.catch(() => undefined); // without a listener, a rejection would end the process
  }

  /** Where the node listens. Throws before `ready` has resolved. */
  get address(): HttpAddress {
    if (this.server === undefined) throw new Error('the node is not ready');
    return this.server.address;
  }

  drain(options: { graceMs: number }): Promise<DrainResult> {
    this.graceMs = options.graceMs;
    return this.draining.call();
  }

  close(): Promise<void> {
    return this.closing.call();
  }

  private async start(): Promise<void> {
    const {
      agent,
      settings,
      host,
      port,
      metrics,
      readiness,
      tls,
      guard,
      logger = silentLogger,
      clock = systemClock,
    } = this.options;
    const { signal } = this.stopping;
    const store = await openDatastore(settings.dbUrl, { ...databaseOptions(settings), logger, clock, signal });
    const feeds = newChangeFeeds(store, settings, { clock, logger });
    this.feeds = feeds;
    const queue = new LazyQueue(settings, { clock, logger, store, feeds });
    this.queue = queue;
    const lookup = new CachedLookup(new StoredFunctions(store, feeds), clock);
    try {
      await agent.ready;
    } catch (error) {
      await lookup.close();
      throw error;
    }
    const routes = apiRoutes(
      store,
      endpointUrls(settings.publicLbUrl),
      afterEveryChange(() => lookup.forget()),
      {
        clock,
        ids: new IdGenerator(),
        maxRequestBytes: settings.maxRequestBytes,
        publicLbUrl: settings.publicLbUrl,
        feeds,
        queue,
        maxAsyncBodyBytes: settings.mqMaxBody,
        maxAsyncHeldBytes: settings.asyncHeldBytes,
        callbackSecrets: settings.callbackSecret,
        maxSchedules: settings.schedulesMax,
      },
    );
    const opened = () => queue.open();
    const placement = new LocalPlacement(agent, clock);
    this.server = newLbServer({
      settings,
      host,
      port,
      lookup,
      placement,
      queues: { ...newDirectEnqueueAccess(opened), ...newDirectDequeueAccess(opened) },
      routes,
      imagePulls: async () => agent.imagePulls,
      metrics: queue.measured(metrics),
      readiness,
      tls,
      guard,
      logger,
      clock,
    });
    await this.server.ready;
    this.scheduler = startScheduler({ store, queue, clock, logger });
    queue.deliverLeft();
  }

  private readonly draining = new Once(async (): Promise<DrainResult> => {
    this.stopping.abort();
    await this.ready.catch(() => undefined);
    this.feeds?.endStreams();
    this.scheduler?.end();
    this.queue?.end();
    const result = (await this.server?.drain({ graceMs: this.graceMs })) ?? 'drained';
    await this.close();
    return result;
  });

  private readonly closing = new Once(async () => {
    this.stopping.abort();
    // An agent may still be loading images, and cancels that when it is closed.
    if (this.server === undefined) await this.options.agent.close();
    await this.ready.catch(() => undefined);
    this.queue?.end();
    // Closing the server closes the datastore.
    await this.scheduler?.close();
    await this.server?.close();
    await this.options.agent.close();
    await this.queue?.close();
  });
}

/** Looks functions up in the datastore of this process. Closing it closes the datastore. */
class StoredFunctions implements FunctionSource {
  constructor(
    private readonly store: Datastore,
    private readonly feeds: ChangeFeeds,
  ) {}

  /** Other nodes may share the database. */
  follow(listener: ChangeListener): void {
    this.feeds.follow(listener);
  }

  async appIdByName(name: string): Promise<string> {
    const [app] = await this.store.apps.list({ name, limit: 1 });
    if (app === undefined) throw new FnError('appNotFound');
    return app.id;
  }

  app(id: string): Promise<App> {
    return this.store.apps.get(id);
  }

  fn(id: string): Promise<Fn> {
    return this.store.fns.get(id);
  }

  trigger(appId: string, source: string): Promise<Trigger> {
    return this.store.triggers.bySource(appId, 'http', source);
  }

  close(): Promise<void> {
    this.feeds.close();
    return this.store.close();
  }
}

/** Invokes a callback after every change over REST. */
function afterEveryChange(changed: () => void): ApiListeners {
  const listener = { afterCreate: changed, afterUpdate: changed, afterDelete: changed };
  return { app: [listener], fn: [listener], trigger: [listener] };
}
