import { type Clock, IdGenerator, type Logger, silentLogger, systemClock } from '@fnfleet/core';
import type { Driver, DriverCapabilities } from '@fnfleet/drivers';
import type { Agent, CallListener } from './agent.js';
import type { CallOverrider } from './call/build-call.js';
import type { CallOption } from './call/call-options.js';
import { HotAgent } from './hot-agent.js';
import { type LogSink, RunnerLogSink } from './output/log-sink.js';
import { type HostFiles, hostResources, readHostFiles } from './resources/host-resources.js';
import type { Resources } from './resources/resource-tracker.js';
import type { AgentSettings } from './settings.js';

export interface AgentOptions {
  /** Creates the containers. The agent closes it. */
  readonly driver: Driver;
  readonly settings: AgentSettings;
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** Generates the names of containers. */
  readonly ids?: IdGenerator;
  /** Total resources of all containers; by default those of this machine. The limits in the settings do not apply to it. */
  readonly totals?: Resources;
  readonly overrider?: CallOverrider;
  /** Applied after the options of each call. */
  readonly callOptions?: readonly CallOption[];
  readonly listeners?: readonly CallListener[];
  /** Receive the output of functions. Closed with the agent, after the last line. */
  readonly logSinks?: readonly LogSink[];
}

/**
 * An agent that executes calls on this machine in hot containers.
 * @throws HostResourcesError when the machine has no room for functions
 */
export function newAgent(options: AgentOptions): Agent {
  const { driver, settings, logger: log = silentLogger, clock = systemClock } = options;
  const driverMemoryMb = driver.capabilities.ownMemoryMb;
  return new HotAgent({
    driver,
    settings,
    log,
    clock,
    ids: options.ids ?? new IdGenerator(),
    totals: options.totals ?? hostResources(hostFilesOf(driver.capabilities), { ...settings, driverMemoryMb }, log),
    overrider: options.overrider,
    callOptions: options.callOptions ?? [],
    listeners: options.listeners ?? [],
    logSinks: [...(options.logSinks ?? []), ...runnerLog(settings, log)],
  });
}

/** The files that describe the resources of this machine for a runner with such a driver. */
export function hostFilesOf({ outside }: Pick<DriverCapabilities, 'outside'>): HostFiles {
  const files = readHostFiles();
  return outside ? { ...files, memoryLimits: [], cpuLimits: [] } : files;
}

function runnerLog(settings: AgentSettings, log: Logger): LogSink[] {
  return log.debugEnabled && !settings.disableDebugUserLogs ? [new RunnerLogSink(log)] : [];
}
