import type { Clock, IdGenerator, Logger } from '@fnfleet/core';
import type { Driver } from '@fnfleet/drivers';
import type { LatestRegistryToken } from '../call/registry-token.js';
import type { ExchangeLimits } from '../exchange/function-exchange.js';
import { ContainerOutput } from '../output/container-output.js';
import { type LogSink, noLogSink } from '../output/log-sink.js';
import type { ResourceToken } from '../resources/resource-tracker.js';
import type { AgentSettings } from '../settings.js';
import { type ContainerOwner, HotContainer } from '../slots/hot-container.js';
import type { ContainerMetrics } from './container-metrics.js';
import { LaunchGate } from './launch-gate.js';
import type { ContainerSource } from './launcher.js';

export interface ContainerFactoryOptions {
  readonly driver: Driver;
  readonly settings: AgentSettings;
  readonly clock: Clock;
  readonly log: Logger;
  readonly ids: IdGenerator;
  /** Of the agent: they get the lines of every call. */
  readonly logSinks: readonly LogSink[];
}

/** Makes the containers of an agent, which share a gate that they are launched through. */
export class ContainerFactory {
  private readonly gate: LaunchGate;
  private readonly limits: ExchangeLimits;

  constructor(private readonly options: ContainerFactoryOptions) {
    const { maxConcurrentLaunches, maxRequestHeadBytes, maxResponseBytes, maxResponseHeaderBytes } = options.settings;
    this.gate = new LaunchGate(maxConcurrentLaunches);
    this.limits = { maxRequestHeadBytes, maxBodyBytes: maxResponseBytes, maxHeaderBytes: maxResponseHeaderBytes };
  }

  /** It has not been launched yet. Its resources are the token's. */
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
        output: this.takesOutputOf(source) ? output.listener : undefined,
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
      gate: this.gate,
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

  /** Like everything of a container, this is decided by the call that it is made for. */
  private takesOutputOf({ logSink }: ContainerSource): boolean {
    const { settings, logSinks } = this.options;
    return !settings.disableFunctionLogs && (logSinks.length > 0 || logSink !== noLogSink);
  }
}
