import { hostname } from 'node:os';
import {
  type Clock,
  FnError,
  InflightTracker,
  type Logger,
  Once,
  type SettingsOf,
  silentLogger,
  systemClock,
} from '@fnfleet/core';
import { throwIfAborted } from '../cancellation.js';
import type { ContainerSpec, Driver } from '../driver.js';
import { Iofs } from '../iofs.js';
import { type ContainerPolicy, createRequest } from './create-request.js';
import { DockerContainer } from './docker-container.js';
import type { dockerSettings } from './docker-settings.js';
import { Engine } from './engine.js';
import { type EngineAddress, engineAddress } from './engine-address.js';
import { fnErrorFromDocker } from './engine-errors.js';
import { checkEngineVersion } from './engine-version.js';
import { ImagePuller } from './image-puller.js';
import { parseImageReference } from './image-reference.js';
import { NetworkPool } from './network-pool.js';
import { StaleContainers } from './stale-containers.js';

export interface DockerDriverOptions {
  readonly settings: SettingsOf<typeof dockerSettings>;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** Functions in containers of a Docker engine, shut in as far as the engine can. */
export class DockerDriver implements Driver {
  readonly name = 'docker';
  readonly capabilities = { pause: true, isolation: true, slotKeyExtension: '' };
  readonly ready: Promise<void>;
  private readonly settings: SettingsOf<typeof dockerSettings>;
  private readonly logger: Logger;
  private readonly clock: Clock;
  private readonly address: EngineAddress;
  private readonly engine: Engine;
  private readonly puller: ImagePuller;
  private readonly networks: NetworkPool;
  private readonly stale: StaleContainers;
  private readonly policy: Promise<ContainerPolicy>;
  private readonly live = new Set<DockerContainer>();
  private readonly creations = new InflightTracker();
  private readonly closing = new Once(() => this.closeAll());

  /** @throws Error when DOCKER_HOST cannot be understood or a certificate cannot be read */
  constructor({ settings, logger = silentLogger, clock = systemClock }: DockerDriverOptions) {
    this.settings = settings;
    this.logger = logger;
    this.clock = clock;
    this.address = engineAddress(settings);
    this.engine = new Engine({ address: this.address, timeoutMs: settings.dockerApiTimeoutMs, clock });
    this.puller = new ImagePuller((reference, signal) => this.engine.pullImage(reference, signal));
    this.networks = new NetworkPool(settings.networks);
    this.stale = new StaleContainers(settings.containerLabelTag);
    this.policy = this.open();
    this.ready = this.policy.then(() => undefined);
    this.ready.catch(() => undefined);
  }

  async prepareImage(spec: ContainerSpec, signal: AbortSignal): Promise<{ pullNs: number }> {
    await this.ready;
    if (await this.checkImage(spec, signal)) return { pullNs: 0 };
    const startedNs = this.clock.nowNs();
    try {
      await this.puller.pull(parseImageReference(spec.image), signal);
    } catch (error) {
      throw fnErrorFromDocker(error, 'pull', spec.image);
    }
    // Removed again while it was looked for: another runner may have it.
    if (!(await this.checkImage(spec, signal))) throw new FnError('serverBusy');
    return { pullNs: Number(this.clock.nowNs() - startedNs) };
  }

  async create(spec: ContainerSpec, signal: AbortSignal): Promise<DockerContainer> {
    throwIfAborted(signal);
    this.throwIfClosed();
    const done = this.creations.enter();
    try {
      return await this.make(spec, signal);
    } finally {
      done();
    }
  }

  close(): Promise<void> {
    return this.closing.call();
  }

  private async make(spec: ContainerSpec, signal: AbortSignal): Promise<DockerContainer> {
    const policy = await this.policy;
    const iofs = await Iofs.create({
      parent: this.settings.iofsPath,
      engineParent: this.settings.iofsDockerPath,
      writableByAll: policy.unprivileged,
      logger: this.logger,
    });
    const network = spec.networkDisabled ? undefined : this.networks.join();
    const container = new DockerContainer(spec, {
      engine: this.engine,
      clock: this.clock,
      logger: this.logger,
      iofs,
      network,
      onClosed: (closed) => this.live.delete(closed),
    });
    this.live.add(container);
    try {
      throwIfAborted(signal);
      this.throwIfClosed();
      const place = { iofsDirectory: iofs.engineDirectory, network: network?.network };
      await container.create(createRequest(spec, policy, place), signal);
      return container;
    } catch (error) {
      const closed = container.close();
      // Otherwise not waited for: who gave up is told at once.
      if (this.closing.called) await closed;
      throw error;
    }
  }

  private throwIfClosed(): void {
    if (this.closing.called) throw new Error('the driver is closed');
  }

  /** False when the image is not here. */
  private async checkImage({ image }: ContainerSpec, signal: AbortSignal): Promise<boolean> {
    const found = await this.engine.inspectImage(image, signal);
    if (found === undefined) return false;
    const declaresVolume = Object.keys(found.Config?.Volumes ?? {}).length > 0;
    if (declaresVolume && !this.settings.enableVolumes) throw new FnError('imageHasVolume');
    return true;
  }

  private async open(): Promise<ContainerPolicy> {
    await this.engine.ping().catch((cause) => {
      throw new Error(
        `cannot reach the Docker engine at ${this.address.text}: ${(cause as Error).message}. Start it, let this user ` +
          'use it, or point DOCKER_HOST to it; FN_DRIVER=process runs functions without Docker.',
        { cause },
      );
    });
    checkEngineVersion(await this.engine.version());
    const { cgroupVersion, kernelMemory } = await this.engine.memoryFeatures();
    await this.stale.remove(this.engine, this.logger).catch((error) => {
      this.logger.warn('cannot look for containers of earlier runners', { error });
    });
    const { settings } = this;
    return {
      ...settings,
      unprivileged: !settings.disableUnprivileged,
      readonlyRoot: !settings.disableReadonlyRoot,
      hostname: hostname(),
      labels: this.stale.labels,
      limitsSwappiness: cgroupVersion === '1',
      limitsKernelMemory: cgroupVersion === '1' && kernelMemory,
    };
  }

  private async closeAll(): Promise<void> {
    await Promise.all([...this.live].map((container) => container.close()));
    // One that was about to be made finds the driver closed, and closes itself.
    await this.creations.whenIdle();
  }
}

export function dockerDriver(options: DockerDriverOptions): DockerDriver {
  return new DockerDriver(options);
}
