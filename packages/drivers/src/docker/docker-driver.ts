import { tmpdir } from 'node:os';
import {
  type Clock,
  InflightTracker,
  type Logger,
  later,
  Once,
  type SettingsOf,
  silentLogger,
  systemClock,
} from '@fnfleet/core';
import type {
  Container,
  ContainerSpec,
  Driver,
  DriverCapabilities,
  DriverFacts,
  ImagePull,
  PreparedImage,
} from '../driver.js';
import { IofsHome } from '../iofs/iofs-home.js';
import { machineTroubles } from '../machine-troubles.js';
import { throwIfAborted } from '../waiting.js';
import { ContainerLabels } from './container-labels.js';
import { type ContainerPolicy, containerPolicy } from './container-policy.js';
import { createRequest } from './create-request.js';
import { DockerContainer } from './docker-container.js';
import { type dockerSettings, limitsOf } from './docker-settings.js';
import { Engine, type EngineInfo } from './engine.js';
import { type EngineAddress, engineAddress } from './engine-address.js';
import { EngineHealth } from './engine-health.js';
import { engineDirectory, findOwnContainer, isEngineOutside } from './engine-paths.js';
import { EngineUpkeep } from './engine-upkeep.js';
import { FreezerFinder } from './freezing/freezer-finder.js';
import { ImageStore } from './images/image-store.js';
import { probeEngine } from './inspect-engine.js';
import { NetworkPool } from './network-pool.js';
import { PREFORK_MEMBER_MB, PreforkPool } from './prefork/prefork-pool.js';

/** How long a closing driver waits for a degraded engine to recover, and for an engine that fails to remove a container. */
const CLOSE_DEGRADED_MS = 10_000;
const CLOSE_MS = 120_000;

export interface DockerDriverOptions {
  readonly settings: SettingsOf<typeof dockerSettings>;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** Runs functions in containers of a Docker engine, isolated as well as the engine allows. */
export class DockerDriver implements Driver {
  readonly name = 'docker';
  readonly capabilities: DriverCapabilities;
  readonly ready: Promise<void>;
  readonly health: EngineHealth;
  private readonly settings: SettingsOf<typeof dockerSettings>;
  private readonly logger: Logger;
  private readonly clock: Clock;
  private readonly address: EngineAddress;
  private readonly engine: Engine;
  private readonly images: ImageStore;
  private readonly networks: NetworkPool;
  private readonly freezers: FreezerFinder | undefined;
  private readonly labels: ContainerLabels;
  private readonly upkeep: EngineUpkeep;
  private readonly policy: Promise<ContainerPolicy>;
  private readonly home: IofsHome;
  /** By name. */
  private readonly live = new Map<string, DockerContainer>();
  private engineFacts: DriverFacts = {};
  private readonly abandon = new AbortController();
  private prefork: PreforkPool | undefined;
  private readonly creations = new InflightTracker();
  private readonly closing = new Once(() => this.closeOnce());

  /** @throws Error when DOCKER_HOST cannot be understood or a certificate cannot be read */
  constructor({ settings, logger = silentLogger, clock = systemClock }: DockerDriverOptions) {
    this.settings = settings;
    this.logger = logger;
    this.clock = clock;
    this.address = engineAddress(settings);
    this.capabilities = dockerCapabilities(settings);
    this.health = new EngineHealth({
      address: this.address.text,
      ping: () => this.engine.ping(),
      intervalMs: settings.dockerProbeIntervalMs,
      clock,
    });
    this.engine = new Engine({ address: this.address, limits: limitsOf(settings), clock, observer: this.health });
    this.images = new ImageStore({ engine: this.engine, settings, clock, logger });
    this.networks = new NetworkPool(settings.networks);
    this.freezers = settings.freezeThroughEngine
      ? undefined
      : new FreezerFinder({
          root: settings.cgroupPath,
          pidOf: async (id) => (await this.engine.inspectContainer(id)).pid,
          logger,
        });
    this.home = new IofsHome({
      parent: settings.iofsPath,
      engineParent: settings.iofsDockerPath,
      writableByAll: !settings.disableUnprivileged,
      tmpfs:
        settings.iofsTmpfs === false
          ? undefined
          : {
              options: settings.iofsOptions,
              required: settings.iofsTmpfs === true,
              isSeen: (directory) => this.engine.seesDirectory(directory),
            },
      clock,
      logger,
    });
    this.labels = new ContainerLabels(settings.containerLabelTag);
    this.upkeep = new EngineUpkeep({
      engine: this.engine,
      health: this.health,
      labels: this.labels,
      isTracked: (name) => this.live.has(name) || (this.prefork?.has(name) ?? false),
      running: () => [...this.live.values()].filter(({ isRunning }) => isRunning).map(({ id }) => id),
      settings,
      clock,
      logger,
    });
    this.policy = this.open();
    this.ready = this.policy.then(() => undefined);
    this.ready.catch(() => undefined);
  }

  get facts(): DriverFacts {
    const { settings, address, freezers } = this;
    return {
      engine: address.text,
      ...this.engineFacts,
      cgroup_path: settings.cgroupPath,
      freezing: freezers === undefined ? 'through the engine' : freezers.way,
      iofs_path: settings.iofsPath ?? tmpdir(),
    };
  }

  async prepareImage(
    spec: ContainerSpec,
    signal: AbortSignal,
    onPull?: (pull: ImagePull) => void,
  ): Promise<PreparedImage> {
    await this.ready;
    return this.images.prepare(spec, signal, onPull);
  }

  async create(spec: ContainerSpec, signal: AbortSignal): Promise<Container> {
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
    const iofs = await this.home.create();
    const network = spec.networkDisabled ? undefined : ((await this.prefork?.join()) ?? this.networks.join());
    const container = new DockerContainer(spec, {
      engine: this.engine,
      clock: this.clock,
      logger: this.logger,
      health: this.health,
      abandon: this.abandon.signal,
      iofs,
      network,
      freezers: this.freezers,
      onClosed: ({ id }) => this.live.delete(id),
    });
    this.live.set(container.id, container);
    try {
      throwIfAborted(signal);
      this.throwIfClosed();
      const { localDebug, localDebugPort } = this.settings;
      const place = {
        iofsDirectory: iofs.engineDirectory,
        network: network?.network,
        // A container without a network has no ports.
        debugPort: localDebug && !spec.networkDisabled ? localDebugPort : undefined,
      };
      await container.create(createRequest(spec, policy, place), signal);
      return container;
    } catch (error) {
      this.images.forget(spec.image);
      const closed = container.close();
      // Otherwise do not wait: a caller that gave up gets its error at once.
      if (this.closing.called) await closed;
      throw error;
    }
  }

  private throwIfClosed(): void {
    if (this.closing.called) throw new Error('the driver is closed');
  }

  private async open(): Promise<ContainerPolicy> {
    const { version, info } = await probeEngine(this.engine, this.address.text);
    await this.findOurselves();
    const { settings, logger } = this;
    this.engineFacts = {
      engine_version: version.engine,
      engine_api_version: version.api,
      cgroup_version: info.CgroupVersion ?? '1',
      storage_driver: info.Driver,
      storage_root: info.DockerRootDir,
    };
    const policy = await containerPolicy(settings, info, {
      labels: this.labels.own,
      logger,
      product: version.product,
    });
    await this.warnOfMachine(info);
    await this.upkeep.start();
    await this.images.open();
    if (!this.closing.called) this.health.start();
    this.throwIfClosed();
    await this.home.open();
    await this.openPrefork(policy);
    return policy;
  }

  /** Warns at start of problems of the machine that would make calls fail or slow. */
  private async warnOfMachine({ DockerRootDir: engineRoot }: EngineInfo): Promise<void> {
    const { settings, logger, address } = this;
    const isLocal = address.options.socketPath !== undefined;
    const found = await machineTroubles({
      cgroupRoot: isLocal && this.freezers !== undefined ? settings.cgroupPath : undefined,
      engineRoot: isLocal ? engineRoot : undefined,
      iofsPath: settings.iofsPath ?? tmpdir(),
    });
    for (const { grave, what, remedy } of found) logger[grave ? 'error' : 'warn'](what, { remedy });
  }

  /** If the runner is in a container of the same engine, the engine sees our paths under other names. */
  private async findOurselves(): Promise<void> {
    const own = await findOwnContainer((id) => this.engine.mountsOf(id));
    if (own !== undefined) this.labels.runsIn(own.id);
    const { iofsPath = tmpdir(), iofsDockerPath } = this.settings;
    const engineSide =
      iofsDockerPath === undefined ? own?.engineSideOf(iofsPath) : await engineDirectory(iofsDockerPath, this.engine);
    if (engineSide !== undefined) {
      this.logger.info('the engine sees the socket directory at another path', {
        here: iofsPath,
        there: engineSide,
      });
      this.home.seenByEngineAs(engineSide);
    } else if (own !== undefined) {
      throw new Error(
        `this runner is in a container, and functions cannot reach ${iofsPath} in it: mount a volume or a directory of ` +
          'the host into it, and set FN_IOFS_PATH to its mount point',
      );
    }
  }

  /** Opens the pool of containers that lend their network to functions, if one is configured. */
  private async openPrefork(policy: ContainerPolicy): Promise<void> {
    const { preforkSize, preforkImage, localDebug } = this.settings;
    if (preforkSize === 0) return;
    if (localDebug)
      throw new Error(
        'FN_LOCAL_DEBUG: networks of the prefork pool (FN_EXPERIMENTAL_PREFORK_POOL_SIZE) cannot publish a port',
      );
    // Not released, because the pool may need it at any time.
    await this.images.prepare({ image: preforkImage, extensions: {} }, this.abandon.signal).catch((cause: Error) => {
      throw new Error(`FN_EXPERIMENTAL_PREFORK_IMAGE: ${cause.message}`, { cause });
    });
    this.throwIfClosed();
    const { engine, health, clock, logger, abandon } = this;
    this.prefork = new PreforkPool(this.settings, policy, { engine, health, clock, logger, abandon: abandon.signal });
    this.prefork.start();
  }

  private async closeOnce(): Promise<void> {
    this.upkeep.close();
    const closed = this.allClosed();
    await Promise.race([closed, this.closeTimedOut()]);
    this.abandon.abort();
    this.engine.close();
    await closed;
    this.health.close();
  }

  private async allClosed(): Promise<void> {
    await Promise.all([this.images.close(), ...[...this.live.values()].map((container) => container.close())]);
    // A container that is still being created finds the driver closed, and closes itself.
    await this.creations.whenIdle();
    await this.prefork?.close();
    await this.home.close();
  }

  /** Resolves when waiting for the engine has become pointless, or is no longer needed. */
  private async closeTimedOut(): Promise<void> {
    const { clock, abandon, health } = this;
    const until = later(clock.now(), CLOSE_MS);
    while (clock.now() < until && !abandon.signal.aborted) {
      const before = health.now;
      await clock.sleep(CLOSE_DEGRADED_MS, abandon.signal);
      if (before.state === 'degraded' && health.now === before) return;
    }
  }
}

/**
 * The capabilities and needs of the driver with these settings on this machine.
 * @throws SettingsError like the constructor of the driver
 */
export function dockerCapabilities(settings: DockerDriverOptions['settings']): DriverCapabilities {
  const ownMemoryMb = settings.preforkSize * PREFORK_MEMBER_MB;
  const outside = isEngineOutside(engineAddress(settings).options.socketPath);
  // A debugger must be able to attach to an idle container.
  return { pause: !settings.localDebug, isolation: true, slotKeyExtension: '', ownMemoryMb, outside };
}

export function dockerDriver(options: DockerDriverOptions): DockerDriver {
  return new DockerDriver(options);
}
