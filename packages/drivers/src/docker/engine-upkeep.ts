import { type Clock, count, type Logger, type SettingsOf } from '@fnfleet/core';
import type { ContainerLabels } from './container-labels.js';
import { ContainerReaper } from './container-reaper.js';
import type { dockerSettings } from './docker-settings.js';
import type { Engine } from './engine.js';
import { EngineEvents } from './engine-events.js';
import type { EngineHealth } from './engine-health.js';
import { StatsSampler } from './stats-sampler.js';

interface EngineUpkeepOptions {
  readonly engine: Engine;
  readonly health: EngineHealth;
  readonly labels: ContainerLabels;
  /** Whether the driver tracks the container of this name. */
  readonly isTracked: (name: string) => boolean;
  /** Names of the containers that run a function now. */
  readonly running: () => readonly string[];
  readonly settings: SettingsOf<typeof dockerSettings>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Background work of a driver: removes orphaned containers and counts what the engine reports. */
export class EngineUpkeep {
  private readonly reaper: ContainerReaper;
  private readonly tasks: readonly { start(): void; close(): void }[];
  private readonly instance: number;
  private started = false;
  private closed = false;

  constructor(options: EngineUpkeepOptions) {
    const { engine, health, labels, settings, clock, logger } = options;
    this.instance = Number(instanceHash(labels.instance));
    this.reaper = new ContainerReaper({
      engine,
      labels,
      isTracked: options.isTracked,
      health,
      intervalMs: settings.dockerReapIntervalMs,
      graceMs: settings.dockerReapGraceMs,
      clock,
      logger,
    });
    const events = new EngineEvents({
      open: (signal) => engine.events(signal),
      onLost: () => health.look(),
      health,
      clock,
    });
    const stats = new StatsSampler({
      atOnce: settings.dockerStatsAtOnce,
      running: options.running,
      stats: (id, signal) => engine.stats(id, signal),
      health,
      clock,
    });
    this.tasks = [this.reaper, events, stats];
  }

  /** Removes orphaned containers, then starts the background tasks. */
  async start(): Promise<void> {
    await this.reaper.sweep();
    if (this.closed) return;
    this.started = true;
    for (const task of this.tasks) task.start();
    count('docker_instance_id', this.instance);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const task of this.tasks) task.close();
    if (this.started) count('docker_instance_id', -this.instance);
  }
}

const OFFSET = 0xcbf29ce484222325n;
const PRIME = 0x100000001b3n;

/** 64-bit FNV-1 as a signed number. Fn uses it to turn the name of a runner into the value of a metric. */
export function instanceHash(instance: string): bigint {
  let hash = OFFSET;
  for (const byte of Buffer.from(instance)) hash = BigInt.asUintN(64, hash * PRIME) ^ BigInt(byte);
  return BigInt.asIntN(64, hash);
}
