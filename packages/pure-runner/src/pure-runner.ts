import type { AddressInfo } from 'node:net';
import type { Agent } from '@fnfleet/agent';
import {
  type Clock,
  type DrainResult,
  hostOfAddress,
  IdGenerator,
  InflightTracker,
  type Logger,
  Once,
  type Service,
  silentLogger,
  systemClock,
  unixPathOf,
} from '@fnfleet/core';
import type { LoadReport } from '@fnfleet/protocol';
import type { ConfigureRunner } from './auxiliary/runner-methods.js';
import { engagementRunner } from './engagement-runner.js';
import { GrpcListener } from './grpc-listener.js';
import type { ListenAddress } from './grpc-port.js';
import type { FunctionLogs } from './logs/function-logs.js';
import type { MemberCheck } from './member-server.js';
import { EngagementCounters, RunnerLoad } from './runner-load.js';
import { aboutRunner, RunnerStatusReporter } from './runner-status-report.js';
import { type CustomHealth, StatusImage } from './status-image.js';

export interface PureRunnerOptions {
  /** Executes the calls; closed together with the runner. */
  readonly agent: Agent;
  /** `host:port` to listen on, where port 0 takes a free one, or `unix:/path`. Default `0.0.0.0:9190`. */
  readonly listen?: string;
  /** TLS, and who may connect; plain text unless given. */
  readonly tls?: MemberCheck;
  /** Maximum number of open engagements, per connection and in total. Default 65536. */
  readonly maxStreams?: number;
  /** Maximum number of open connections, including those before their handshake. Default 1024. */
  readonly maxConnections?: number;
  /** Maximum number of connections from one address. Default 256. */
  readonly maxConnectionsPerAddress?: number;
  /**
   * A balancer that does not answer a keepalive PING for this long is considered lost, and its calls end; milliseconds.
   * Default 20 000.
   */
  readonly balancerKeepaliveTimeoutMs?: number;
  /** Detached calls are refused unless set. */
  readonly detached?: boolean;
  /** The source for log collectors; must also be a sink of the agent. Without it collectors are refused. */
  readonly logs?: FunctionLogs;
  /**
   * Image that is run to answer `Status`; ordinary calls must not use it. Without it the answer has only counters and load, and
   * the next three options are ignored.
   */
  readonly statusImage?: string;
  /** Path that exists once the network of containers is up; until then the status image runs without a network. */
  readonly networkBarrier?: string;
  /** Called before the status image is run. */
  readonly customHealth?: CustomHealth;
  /** Directory of kernel crash dumps; `Status` reports how many entries it has. */
  readonly kdumpsPath?: string;
  /** The name for operators, reported in `Status`. Called, like `httpPort`, only once the runner listens. */
  readonly name?: () => string;
  /** The HTTP port for operators. */
  readonly httpPort?: () => number;
  /** Handles `ConfigureRunner`; without it the settings are ignored with a warning. */
  readonly configure?: ConfigureRunner;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

export interface PureRunner extends Service {
  /** The address it listens on, once `ready`. @throws Error if that is a unix socket */
  readonly address: AddressInfo;
  /** The load that it reports to balancers. */
  readonly load: LoadReport;
  /** Takes no new calls, as in a drain, until `resume`. Calls in progress continue. Idempotent. */
  suspend(): void;
  /** Takes new calls again, unless it is shutting down. Idempotent. */
  resume(): void;
}

/** Creates a runner, the gRPC service to which balancers offer calls, on top of an agent. It starts to listen at once. */
export function newPureRunner(options: PureRunnerOptions): PureRunner {
  return new PureRunnerService(options);
}

const DEFAULT_LISTEN = '0.0.0.0:9190';
const DEFAULT_MAX_STREAMS = 65_536;
const DEFAULT_MAX_CONNECTIONS = 1024;
const DEFAULT_MAX_CONNECTIONS_PER_ADDRESS = 256;
const DEFAULT_KEEPALIVE_TIMEOUT_MS = 20_000;
/** How long balancers have to read the last responses and close their connections, milliseconds. */
const CLOSE_GRACE_MS = 1000;

/**
 * Draining has this order, so that no call is lost: status and load report it, health reports NOT_SERVING, and new calls are
 * refused in the protocol (any balancer tries the next runner); calls in progress finish; only then the port closes.
 */
class PureRunnerService implements PureRunner {
  readonly ready: Promise<void>;
  private readonly agent: Agent;
  private readonly listener: GrpcListener;
  private readonly engagements = new InflightTracker();
  private readonly logger: Logger;
  private readonly ownLoad: RunnerLoad;
  private isReady = false;
  private graceMs = 0;

  constructor(options: PureRunnerOptions) {
    const { agent, clock = systemClock, logger = silentLogger, statusImage, detached, configure, logs } = options;
    this.agent = agent;
    this.logger = logger;
    const counters = new EngagementCounters();
    this.ownLoad = new RunnerLoad(agent, counters);
    const run = engagementRunner({ agent, clock, logger, load: this.ownLoad, detached, statusImage });
    this.listener = new GrpcListener({
      at: listenAddress(options.listen ?? DEFAULT_LISTEN),
      tls: options.tls,
      maxStreams: options.maxStreams ?? DEFAULT_MAX_STREAMS,
      maxConnections: options.maxConnections ?? DEFAULT_MAX_CONNECTIONS,
      maxConnectionsPerAddress: options.maxConnectionsPerAddress ?? DEFAULT_MAX_CONNECTIONS_PER_ADDRESS,
      keepaliveTimeoutMs: options.balancerKeepaliveTimeoutMs ?? DEFAULT_KEEPALIVE_TIMEOUT_MS,
      clock,
      run,
      methods: { status: statusReporter(options, { counters, load: this.ownLoad, clock }), configure, logs, logger },
      instanceId: this.ownLoad.instanceId,
      enter: () => {
        const leave = this.engagements.enter();
        const uncount = counters.enter();
        return () => {
          uncount();
          leave();
        };
      },
    });
    this.ready = Promise.all([agent.ready, this.listener.ready]).then(() => {
      this.isReady = true;
      this.updateServing();
    });
    this.ready.catch(() => undefined); // callers of `ready` see the error
  }

  get address(): AddressInfo {
    return this.listener.address;
  }

  get load(): LoadReport {
    return this.ownLoad.report();
  }

  suspend(): void {
    this.setSuspended(true);
  }

  resume(): void {
    this.setSuspended(false);
  }

  private setSuspended(suspended: boolean): void {
    if (this.ownLoad.suspended === suspended) return;
    this.ownLoad.suspended = suspended;
    this.logger.info(
      suspended ? 'suspended by an operator, taking no new calls' : 'resumed by an operator, taking new calls',
    );
    this.updateServing();
  }

  private updateServing(): void {
    this.listener.setServing(this.isReady && !this.ownLoad.draining);
  }

  private readonly draining = new Once(async (): Promise<DrainResult> => {
    this.ownLoad.ending = true;
    this.updateServing();
    const result = await this.agent.drain({ graceMs: this.graceMs });
    await this.engagements.whenIdle(CLOSE_GRACE_MS);
    await this.listener.close(CLOSE_GRACE_MS);
    return result;
  });

  drain(options: { graceMs: number }): Promise<DrainResult> {
    this.graceMs = options.graceMs;
    return this.draining.call();
  }

  private readonly closing = new Once(async () => {
    this.ownLoad.ending = true;
    this.updateServing();
    await this.agent.close();
    await this.listener.close(0);
    this.logger.debug('runner closed');
  });

  close(): Promise<void> {
    return this.closing.call();
  }
}

function listenAddress(listen: string): ListenAddress {
  const path = unixPathOf(listen);
  return path === undefined
    ? { host: hostOfAddress(listen), port: Number(listen.slice(listen.lastIndexOf(':') + 1)) }
    : { path };
}

function statusReporter(
  { agent, statusImage: image, networkBarrier, customHealth, kdumpsPath, name, httpPort }: PureRunnerOptions,
  parts: { counters: EngagementCounters; load: RunnerLoad; clock: Clock },
): RunnerStatusReporter {
  const deps = { agent, clock: parts.clock, ids: new IdGenerator() };
  const statusImage = image ? new StatusImage({ image, networkBarrier, customHealth }, deps) : undefined;
  const about = () =>
    aboutRunner(agent, { name: name?.() ?? '', httpPort: httpPort?.(), nowMs: parts.clock.wallNow() });
  return new RunnerStatusReporter({ ...parts, statusImage, kdumpsPath, about });
}
