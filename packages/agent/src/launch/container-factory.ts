import type { Clock, IdGenerator, Logger } from '@fnfleet/core';
import type { Driver } from '@fnfleet/drivers';
import type { ExchangeLimits } from '../exchange/function-exchange.js';
import { ContainerOutput } from '../output/container-output.js';
import { type LogSink, noLogSink } from '../output/log-sink.js';
import type { ResourceToken } from '../resources/resource-tracker.js';
import type { AgentSettings } from '../settings.js';
import { type ContainerOwner, HotContainer } from '../slots/hot-container.js';
import type { ContainerMetrics } from './container-metrics.js';
import { LaunchLimiter } from './launch-limits.js';
import type { ContainerSource } from './launcher.js';

interface ContainerFactoryOptions {
  readonly driver: Driver;
  readonly settings: AgentSettings;
  readonly clock: Clock;
  readonly log: Logger;
  readonly ids: IdGenerator;
  /** The agent's sinks, which receive the lines of every call. */
  readonly logSinks: readonly LogSink[];
}

/** Creates the containers of an agent, which share one launch limiter. */
export class ContainerFactory {
  private readonly limiter: LaunchLimiter;
  private readonly limits: ExchangeLimits;

  constructor(private readonly options: ContainerFactoryOptions) {
    const { maxConcurrentLaunches, maxRequestHeadBytes, maxResponseBytes, maxResponseHeaderBytes } = options.settings;
    this.limiter = new LaunchLimiter(maxConcurrentLaunches);
    this.limits = { maxRequestHeadBytes, maxBodyBytes: maxResponseBytes, maxHeaderBytes: maxResponseHeaderBytes };
  }

  /** Creates a container without launching it. The container owns the token. */
  create(
    registryToken: LatestRegistryToken,
    source: ContainerSource,
    token: ResourceToken,
    metrics: ContainerMetrics,
    owner: ContainerOwner,
  ): HotContainer {
    const { driver, clock, settings, ids, log } = this.options;
    const { model, slotKey, extensions, networkDisabled } = source;
    const id = ids.next(clock.wallNow());
    const output = this.outputOf(id, source);
    return new HotContainer({
      spec: {
        id,
        image: model.image,
        env: model.config,
        memoryMb: model.memoryMb,
        tmpfsMb: model.tmpfsMb,
        cpuMillis: model.cpuMillis,
        appId: model.appId,
        fnId: model.fnId,
        syslogUrl: model.syslogUrl,
        networkDisabled,
        extensions: registryToken.addTo(extensions),
        output: this.collectsOutputOf(source) ? output.listener : undefined,
      },
      output,
      slotKey,
      token,
      idleTimeoutMs: model.idleTimeoutSeconds * 1000,
      freezeAfterMs: driver.capabilities.pause ? settings.freezeIdleMs : Number.POSITIVE_INFINITY,
      pullTimeoutMs: settings.hotPullTimeoutMs,
      startTimeoutMs: settings.hotStartTimeoutMs,
      uploadStallMs: settings.uploadStallMs,
      uploadMinBytes: settings.uploadMinBytes,
      limits: this.limits,
      limiter: this.limiter,
      driver,
      clock,
      log: log.child({ fnId: model.fnId, image: model.image }),
      metrics,
      owner,
    });
  }

  private outputOf(containerId: string, { model }: ContainerSource): ContainerOutput {
    const { settings, logSinks: sinks, clock, log } = this.options;
    return new ContainerOutput({ containerId, model, sinks, limitBytes: settings.maxLogBytes, clock, log });
  }

  /** As with all properties of a container, the call that it is created for decides. */
  private collectsOutputOf({ logSink }: ContainerSource): boolean {
    const { settings, logSinks } = this.options;
    return !settings.disableFunctionLogs && (logSinks.length > 0 || logSink !== noLogSink);
  }
}

const EXTENSION = 'FN_REGISTRY_TOKEN';

type Extensions = Readonly<Record<string, string>>;

/**
 * The registry token of the most recent call of a queue that had one. Tokens expire, so images are pulled with the latest
 * token, whichever call a container is launched for.
 */
export class LatestRegistryToken {
  private token: string | undefined;

  note(extensions: Extensions): void {
    this.token = extensions[EXTENSION] || this.token;
  }

  addTo(extensions: Extensions): Extensions {
    return this.token === undefined ? extensions : { ...extensions, [EXTENSION]: this.token };
  }
}
