import type { OnReadOpts, Socket } from 'node:net';
import { type Clock, count, FnError, isDeserted, type Logger, Once } from '@fnfleet/core';
import type { ContainerCreateOptions } from 'dockerode';
import type { Container, ContainerSpec, ExitResult } from '../driver.js';
import type { HealthView } from '../driver-health.js';
import type { Iofs } from '../iofs/iofs.js';
import { throwIfAborted, untilAborted } from '../waiting.js';
import { removeContainer } from './container-removal.js';
import type { Engine } from './engine.js';
import { EngineError, fnErrorFromDocker } from './engine-errors.js';
import { ExitFollower } from './exit-follower.js';
import { ContainerFreezer } from './freezing/container-freezer.js';
import type { FreezerFinder } from './freezing/freezer-finder.js';
import type { NetworkMembership } from './network-pool.js';
import { OutputFollower } from './output-follower.js';

export interface DockerContainerDeps {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly health: HealthView;
  /** Aborts all attempts to remove the container. */
  readonly abandon: AbortSignal;
  readonly iofs: Iofs;
  readonly network: NetworkMembership | undefined;
  /** Undefined if containers are paused through the engine. */
  readonly freezers: FreezerFinder | undefined;
  readonly onClosed: (container: DockerContainer) => void;
}

/**
 * One container of the Docker engine.
 *
 * C1  A request to the engine that was given up may still take effect. So the name is chosen here, a creation is awaited even
 *     if it is no longer needed, and close() removes by name if no id was returned.
 * C2  close() is the only way out. It resolves when the container occupies no resources any more, and releases the network
 *     and the directory whatever the engine answers.
 */
export class DockerContainer implements Container {
  readonly id: string;
  readonly socketPath: string;
  private readonly exit: ExitFollower;
  private readonly output: OutputFollower | undefined;
  private readonly closing = new Once(() => this.closeOnce());
  private creation: Promise<string> | undefined;
  private hasStarted = false;
  private hasListened = false;
  private freezer: ContainerFreezer | undefined;

  constructor(
    private readonly spec: ContainerSpec,
    private readonly deps: DockerContainerDeps,
  ) {
    this.id = spec.id;
    this.socketPath = deps.iofs.socketPath;
    this.exit = new ExitFollower(deps.engine, deps.clock, spec.id, () => this.looksDead());
    if (spec.output) this.output = new OutputFollower(spec.id, spec.output, this.exit.exit, deps);
  }

  /** Called once, by the driver, before it hands out the container. */
  async create(request: ContainerCreateOptions, signal: AbortSignal): Promise<void> {
    this.creation = this.deps.engine.createContainer(request);
    try {
      const engineId = await untilAborted(this.creation, signal);
      this.freezer = new ContainerFreezer(engineId, this.deps.freezers, this.deps.engine, this.deps.health);
    } catch (error) {
      throw this.refusal(error, 'create');
    }
  }

  async start(signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    try {
      await untilAborted(this.startNow(), signal);
    } catch (error) {
      throw this.refusal(error, 'start');
    }
  }

  async listening(signal: AbortSignal): Promise<void> {
    await this.deps.iofs.listening(signal);
    this.hasListened = true;
  }

  connect(read?: OnReadOpts): Socket {
    return this.deps.iofs.connect(read);
  }

  async pause(): Promise<void> {
    await this.freezer?.freeze();
  }

  async resume(): Promise<void> {
    await this.freezer?.thaw();
  }

  wait(): Promise<ExitResult> {
    return this.exit.exit;
  }

  /** Whether its process runs, as far as is known. */
  get isRunning(): boolean {
    return this.hasStarted && !this.closing.called && !this.exit.hasEnded;
  }

  close(): Promise<void> {
    return this.closing.call();
  }

  private async startNow(): Promise<void> {
    await Promise.all([this.exit.open(), this.output?.open()]);
    void this.exit.exit.then((result) => this.countExit(result));
    // It was closed meanwhile. Starting it now could follow the removal.
    if (this.closing.called) throw new Error('the container is closed');
    await this.deps.engine.startContainer(this.id);
    this.hasStarted = true;
  }

  /** The caller's error is the same for all causes, so the cause is logged for operators. */
  private refusal(cause: unknown, step: 'create' | 'start'): unknown {
    const { id, image, fnId } = this.spec;
    const error = fnErrorFromDocker(cause, step, image);
    if (error instanceof FnError && error.blame === 'function') {
      this.deps.logger.info(`the engine failed to ${step} a container`, { container: id, image, fnId, error: cause });
    }
    return error;
  }

  private async looksDead(): Promise<boolean> {
    return this.hasListened && (await isDeserted(() => this.connect()));
  }

  /** The exit of a container that its runner ended says nothing about the function. */
  private countExit({ exitCode }: ExitResult): void {
    const status = this.closing.called ? 'ctx_canceled' : `exit_${exitCode}`;
    count('docker_exits', 1, { api_name: 'docker_wait_container', exit_status: status });
  }

  private async closeOnce(): Promise<void> {
    const { iofs, network, onClosed } = this.deps;
    // It may be gone already; the removal finds out.
    await this.freezer?.close().catch(() => undefined);
    await this.remove();
    this.exit.close();
    await this.output?.close();
    network?.release();
    await iofs.close();
    onClosed(this);
  }

  private async remove(): Promise<void> {
    const made = await this.outcomeOfCreation();
    if (made === 'no') return;
    const hasExited = () => this.exit.hasEnded;
    await removeContainer({ ...this.deps, id: this.id, made, hasExited });
  }

  /** `no` also prevents close() from removing a container of the same name that another process created. */
  private async outcomeOfCreation(): Promise<'yes' | 'no' | 'unknown'> {
    if (this.creation === undefined) return 'no';
    try {
      await this.creation;
      return 'yes';
    } catch (error) {
      return error instanceof EngineError ? 'no' : 'unknown';
    }
  }
}
