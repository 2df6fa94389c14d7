import { type Clock, count, countFromZero, type Logger, type MonoMs, type Timer } from '@fnfleet/core';
import type { HealthView } from '../driver-health.js';
import type { ContainerLabels } from './container-labels.js';
import type { Engine, ListedContainer } from './engine.js';
import { isNotFound } from './engine-errors.js';

export interface ReaperOptions {
  readonly engine: Engine;
  readonly labels: ContainerLabels;
  /** Whether the driver tracks the container of this name. */
  readonly isTracked: (name: string) => boolean;
  readonly health: HealthView;
  readonly intervalMs: number;
  /** How long a container of this runner may exist untracked. */
  readonly graceMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

const REASONS = ['runner_gone', 'untracked'] as const;
type Reason = (typeof REASONS)[number];

/**
 * Removes orphaned containers: those of runners that are gone, and our own untracked ones, whose creation or removal had an
 * unknown outcome. The grace starts when a container is first seen untracked, because the clock of the engine may differ.
 */
export class ContainerReaper {
  /** Own untracked containers, with when they were first seen. */
  private suspects = new Map<string, MonoMs>();
  private timer: Timer | undefined;
  private closed = false;

  constructor(private readonly options: ReaperOptions) {
    countFromZero('containers_reaped', ...REASONS.map((reason) => ({ reason })));
  }

  /** Sweeps at intervals until `close`. */
  start(): void {
    if (this.closed) return;
    const { intervalMs, clock } = this.options;
    this.timer = clock.after(intervalMs, () => void this.tick());
  }

  close(): void {
    this.closed = true;
    this.timer?.cancel();
  }

  /** Searches the engine once. Failed removals are logged and retried in the next sweep. Never rejects. */
  async sweep(): Promise<void> {
    const { engine, labels, logger } = this.options;
    let found: readonly ListedContainer[];
    try {
      found = await engine.listContainers(labels.filter);
    } catch (error) {
      if (!this.closed) logger.warn('cannot search for orphaned containers', { error });
      return;
    }
    const gone = await this.goneRunners(found);
    for (const [container, reason] of this.orphansAmong(found, gone)) {
      if (reason !== undefined) await this.remove(container, reason);
    }
  }

  private async tick(): Promise<void> {
    if (this.options.health.now.state === 'ok') await this.sweep();
    this.start();
  }

  /** Ids of runner containers that no longer run. Processes in other containers are invisible to us, but not to the engine. */
  private async goneRunners(found: readonly ListedContainer[]): Promise<ReadonlySet<string>> {
    const { engine, labels } = this.options;
    const others = found.filter(({ Labels }) => labels.ownerOf(Labels) === 'other');
    const gone = new Set<string>();
    for (const id of new Set(others.flatMap(({ Labels }) => labels.runnerContainerOf(Labels) ?? []))) {
      const running = await engine.inspectContainer(id).then(
        (container) => container.running,
        (error) => !isNotFound(error),
      );
      if (!running) gone.add(id);
    }
    return gone;
  }

  private orphansAmong(
    found: readonly ListedContainer[],
    gone: ReadonlySet<string>,
  ): [ListedContainer, Reason | undefined][] {
    const suspects = new Map<string, MonoMs>();
    const now = this.options.clock.now();
    const judged = found.map((container): [ListedContainer, Reason | undefined] => {
      const { labels } = this.options;
      const owner = labels.ownerOf(container.Labels);
      if (owner === 'gone' || gone.has(labels.runnerContainerOf(container.Labels) ?? ''))
        return [container, 'runner_gone'];
      if (owner !== 'self' || this.options.isTracked(nameOf(container))) return [container, undefined];
      const since = this.suspects.get(container.Id) ?? now;
      suspects.set(container.Id, since);
      const untrackedMs = now - since;
      return [container, untrackedMs >= this.options.graceMs ? 'untracked' : undefined];
    });
    this.suspects = suspects;
    return judged;
  }

  private async remove(container: ListedContainer, reason: Reason): Promise<void> {
    const fields = { container: nameOf(container), reason };
    try {
      await this.options.engine.removeContainer(container.Id);
      count('containers_reaped', 1, { reason });
      this.options.logger.info('removed an orphaned container', fields);
    } catch (error) {
      if (isNotFound(error) || this.closed) return;
      this.options.logger.warn('cannot remove an orphaned container', { ...fields, error });
    }
  }
}

function nameOf({ Id, Names }: ListedContainer): string {
  return Names[0]?.slice(1) ?? Id;
}
