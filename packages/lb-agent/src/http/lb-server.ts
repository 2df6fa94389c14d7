import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type Clock,
  type DelayLine,
  type DrainResult,
  FnError,
  IdGenerator,
  type Logger,
  later,
  MIB,
  Once,
  type Registry,
  type Service,
  silentLogger,
  systemClock,
} from '@fnfleet/core';
import { newRunnerPool, type PoolFactory } from '@fnfleet/discovery';
import {
  type AccessGuard,
  createNodeApp,
  type HttpAddress,
  HttpService,
  type HttpSettings,
  type NodeAppOptions,
  newCorsPolicy,
  openGuard,
  type RequestLabels,
  type Route,
} from '@fnfleet/http';
import {
  choosePlacer,
  type GrpcRunnerOptions,
  newGrpcRunner,
  type Placer,
  type Runner,
  type RunnerPool,
  warmFirst,
} from '@fnfleet/placement';
import type { AboutPull } from '@fnfleet/protocol';
import type { TlsIdentity } from '@fnfleet/tls';
import { CallAcceptor } from '../async/call-acceptor.js';
import { type CallQueues, type DequeueAccess, newUnsupportedAsyncEnqueueAccess } from '../async/call-queues.js';
import { type AsyncLbAgent, withAsync } from '../async/with-async.js';
import { WorkloadRecorder } from '../call/workload-recorder.js';
import type { CallPlacement, LbAgent, LbAgentOptions, LbCallListener } from '../lb-agent.js';
import { ApiClient } from '../lookup/api-client.js';
import { ApiSource } from '../lookup/api-source.js';
import { CachedLookup, type FunctionLookup } from '../lookup/function-lookup.js';
import { newLbAgent, newLbAgentWithPlacement } from '../new-lb-agent.js';
import { type LbOperations, operationsOf } from '../operations/operations.js';
import { cordonRoutes, explainRoute, fleetRoute, pullsOfRunners, pullsRoute } from '../operations/operator-routes.js';
import { runnerDrainRoutes } from '../operations/runner-drain.js';
import { RunnerLogs } from '../operations/runner-logs.js';
import { ReplayBudget } from '../replay/replay-budget.js';
import type { LbSettings } from '../settings.js';
import { FrontDoor } from './front-door.js';
import { newHolds } from './http-response-writer.js';

const NO_QUEUES: DequeueAccess = { sources: () => [] };

/** Options for creating a runner. */
export type RunnerOptions = Pick<GrpcRunnerOptions, 'logger' | 'tls' | 'keepaliveTimeoutMs'>;

export interface LbServerOptions {
  /** Missing settings have their defaults. */
  readonly settings?: Partial<LbSettings & HttpSettings>;
  readonly host: string;
  /** 0 selects a free port, which `address` reports. */
  readonly port: number;
  /** Creates the runner for an address of the pool that the settings describe; over gRPC by default. */
  readonly createRunner?: (address: string, options: RunnerOptions) => Runner;
  /** Each of these replaces what the settings describe. The server closes them. */
  readonly pool?: RunnerPool;
  /** The choices of `settings.runnerPool`; the built-in kinds by default. */
  readonly pools?: Registry<PoolFactory>;
  readonly placer?: Placer;
  readonly lookup?: FunctionLookup;
  /** Replaces the queues of the API nodes. Their owner closes them. */
  readonly queues?: CallQueues;
  /** With `tls`: allow an API node without TLS. */
  readonly allowInsecureApi?: boolean;
  /** The operator token, for an API node that requires it. */
  readonly apiToken?: string;
  /** Replaces the pool and the placer. */
  readonly placement?: CallPlacement;
  /** Additional routes. */
  readonly routes?: readonly Route[];
  /** The images that are being pulled for its calls; by default its runners are queried. */
  readonly imagePulls?: () => Promise<readonly AboutPull[]>;
  readonly callOverrider?: LbAgentOptions['callOverrider'];
  readonly callOptions?: LbAgentOptions['callOptions'];
  readonly callListeners?: readonly LbCallListener[];
  /** Middleware around every request, including invocations. Without any, invocations bypass Express. */
  readonly middleware?: NodeAppOptions['middleware'];
  readonly metrics?: NodeAppOptions['metrics'];
  /** State for `GET /readyz`. */
  readonly readiness?: NodeAppOptions['readiness'];
  /** TLS identity for clients, the API nodes and runners; plain text by default. */
  readonly tls?: TlsIdentity;
  /** Authorizes requests. By default it refuses only web pages of other origins. */
  readonly guard?: AccessGuard;
  /** If several processes form one balancer: registers the operations of this one, and returns those of all. */
  readonly joinGroup?: (own: LbOperations) => LbOperations;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

export interface LbServer extends Service {
  /** The address of the port. Throws before `ready` has resolved. */
  readonly address: HttpAddress;
  readonly agent: LbAgent;
}

/**
 * A load balancer: an HTTP port, function lookup, and an agent that places calls.
 * @throws SettingsError when the settings are invalid
 */
export function newLbServer(options: LbServerOptions): LbServer {
  return new ComposedLbServer(options);
}

class ComposedLbServer implements LbServer {
  readonly ready: Promise<void>;
  readonly agent: AsyncLbAgent;
  private readonly lookup: FunctionLookup;
  private readonly http: HttpService;
  private readonly clock: Clock;
  private readonly logs: RunnerLogs;
  private readonly holds: DelayLine;
  private readonly recorder: WorkloadRecorder | undefined;
  private draining: Promise<DrainResult> | undefined;
  private readonly closing = new Once(() => this.closeOnce());

  constructor(options: LbServerOptions) {
    const { settings = {}, logger = silentLogger, clock = systemClock } = options;
    this.clock = clock;
    const api = options.lookup === undefined ? newApiClient(options, clock) : undefined;
    const maxBodyBytes = settings.mqMaxBody ?? MIB;
    const queues = options.queues ?? api?.queues(maxBodyBytes);
    const agent = newAgent(options, {
      timing: settings,
      health: settings,
      queueLimits: { maxCalls: settings.queueMaxCalls ?? 10_000, maxBytes: settings.queueMaxBytes ?? 256 * MIB },
      executionHeadroomMs: settings.executionHeadroomMs,
      completeBodyBytes: settings.completeBodyBytes,
      replayBufferBytes: settings.replayBufferBytes,
      explainCalls: settings.explainCalls,
      replayBudget: new ReplayBudget({
        memoryBytes: settings.replayMemoryBytes ?? 256 * MIB,
        diskBytes: settings.replayDiskBytes ?? 4096 * MIB,
        directory: settings.replaySpillDir,
        clock,
        logger,
      }),
      maxRequestBytes: settings.maxRequestBytes,
      callOverrider: options.callOverrider,
      callOptions: options.callOptions,
      logger,
      clock,
    });
    // It follows changes from now on, so it comes after what settings can make fail.
    this.lookup = options.lookup ?? new CachedLookup(new ApiSource(api as ApiClient), clock, settings.lookupTtlMs);
    for (const listener of options.callListeners ?? []) agent.addCallListener(listener);
    if (settings.workloadFile) {
      this.recorder = new WorkloadRecorder(settings.workloadFile, clock, logger);
      agent.addCallListener(this.recorder);
    }
    const acceptor = new CallAcceptor({
      queue: queues ?? newUnsupportedAsyncEnqueueAccess(),
      maxBodyBytes,
      maxHeldBytes: settings.asyncHeldBytes ?? 64 * MIB,
      ids: new IdGenerator(),
      clock,
    });
    this.agent = withAsync(agent, queues ?? NO_QUEUES, {
      lookup: this.lookup,
      consumers: queues === undefined ? 0 : (settings.asyncConsumers ?? 0),
      busy: settings.asyncBusyPercent === undefined ? undefined : settings.asyncBusyPercent / 100,
      share: settings.asyncSharePercent === undefined ? undefined : settings.asyncSharePercent / 100,
      leaseMs: settings.asyncLeaseMs,
      logger,
      clock,
    });
    this.logs = new RunnerLogs({ tls: runnerTls(options) });
    this.holds = newHolds(clock);
    this.http = new HttpService({
      handler: requestHandler(this.agent, this.lookup, this.logs, acceptor, this.holds, options),
      host: options.host,
      port: options.port,
      sharesPort: options.joinGroup !== undefined,
      limits: settings,
      tls: options.tls,
      logger,
      clock,
    });
    this.ready = this.http.ready;
  }

  get address(): HttpAddress {
    return this.http.address;
  }

  /** Detached calls, which are already answered, get the rest of the grace period. */
  drain({ graceMs }: { graceMs: number }): Promise<DrainResult> {
    this.draining ??= this.drainOnce(graceMs);
    return this.draining;
  }

  close(): Promise<void> {
    return this.closing.call();
  }

  private async drainOnce(graceMs: number): Promise<DrainResult> {
    const until = later(this.clock.now(), graceMs);
    this.agent.stopAsync();
    this.logs.close();
    const http = await this.http.drain({ graceMs });
    const calls = await this.agent.drain({ graceMs: Math.max(0, until - this.clock.now()) });
    await this.close();
    return http === 'drained' && calls === 'drained' ? 'drained' : 'expired';
  }

  private async closeOnce(): Promise<void> {
    this.logs.close();
    this.agent.stopAsync();
    await this.http.close();
    this.holds.close();
    await this.agent.close();
    await this.lookup.close();
    await this.recorder?.close();
  }
}

/** @throws SettingsError when the settings name no API nodes */
function newApiClient({ settings = {}, logger = silentLogger, ...options }: LbServerOptions, clock: Clock): ApiClient {
  return new ApiClient(settings.runnerApiUrl ?? '', {
    clock,
    token: options.apiToken,
    tls: options.tls,
    tlsName: settings.tlsApiName,
    allowInsecure: options.allowInsecureApi,
    hedgeMs: settings.lookupHedgeMs,
    settings,
    logger,
  });
}

function newAgent(options: LbServerOptions, agentOptions: LbAgentOptions): LbAgent {
  const { settings = {}, clock = systemClock } = options;
  if (options.placement !== undefined) return newLbAgentWithPlacement(options.placement, agentOptions);
  const placer =
    options.placer ?? choosePlacer(settings.placer ?? warmFirst.name).create({ random: Math.random, clock });
  return newLbAgent(options.pool ?? configuredPool(options), placer, agentOptions);
}

function runnerTls({ settings = {}, tls: identity }: LbServerOptions): RunnerOptions['tls'] {
  return identity && { identity, runnerName: settings.tlsRunnerName };
}

function configuredPool(options: LbServerOptions): RunnerPool {
  const { settings = {}, createRunner = newGrpcRunner, pools, logger, clock } = options;
  const tls = runnerTls(options);
  return newRunnerPool({
    settings,
    createRunner: (address) =>
      createRunner(address, { logger, tls, keepaliveTimeoutMs: settings.runnerKeepaliveTimeoutMs }),
    pools,
    logger,
    clock,
  });
}

function requestHandler(
  agent: LbAgent,
  lookup: FunctionLookup,
  logs: RunnerLogs,
  acceptor: CallAcceptor,
  holds: DelayLine,
  options: LbServerOptions,
): (req: IncomingMessage, res: ServerResponse) => void {
  const { settings = {}, routes = [], middleware = [], metrics, readiness, logger, clock } = options;
  const { guard = openGuard(settings) } = options;
  const own = operationsOf(agent);
  const operations = options.joinGroup?.(own) ?? own;
  const imagePulls = options.imagePulls ?? (() => pullsOfRunners(operations));
  const door = new FrontDoor({
    agent,
    lookup,
    cors: newCorsPolicy(settings.corsOrigins ?? [], settings.corsHeaders ?? []),
    guard,
    maxRequestBytes: settings.maxRequestBytes ?? 0,
    clientStallMs: settings.clientStallMs,
    requestIdHeader: settings.requestIdHeader,
    acceptor,
    holds,
    logger,
    clock,
  });
  const app = createNodeApp({
    routes: [
      // The front door handles every well-formed invocation; this route only rejects malformed ones.
      { method: 'POST', path: '/invoke/:fn_id', handle: () => Promise.reject(new FnError('fnNotFound')) },
      explainRoute(operations),
      fleetRoute(operations, lookup),
      ...cordonRoutes(operations),
      logs.route(operations),
      ...runnerDrainRoutes(operations, { tls: runnerTls(options), token: options.apiToken }),
      pullsRoute(imagePulls),
      ...routes,
    ],
    settings,
    middleware: [
      ...middleware,
      (req, res, next) => {
        if (!door.serveMeasured(req, res, res.locals.labels as RequestLabels)) next();
      },
    ],
    metrics,
    readiness,
    guard,
    logger,
  });
  if (middleware.length > 0) return app;
  return (req, res) => {
    if (!door.serve(req, res)) app(req, res);
  };
}
