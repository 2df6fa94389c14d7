import { stat } from 'node:fs/promises';
import { type Logger, Once, type SettingsOf, silentLogger, text } from '@fnfleet/core';
import type { Container, ContainerSpec, Driver, PreparedImage } from '../driver.js';
import { HealthState, type HealthView } from '../driver-health.js';
import { IofsHome } from '../iofs/iofs-home.js';
import { iofsSettings } from '../iofs/iofs-settings.js';
import { throwIfAborted } from '../waiting.js';
import { ProcessContainer } from './process-container.js';
import { findManifest } from './process-manifest.js';

export const processSettings = {
  functionsDir: text('FN_PROCESS_FUNCTIONS', {
    doc: 'Directory of the functions that the process driver runs: `<image name>/process.json` holds {"command": ["program", "argument"…]}. The registry, tag and digest of an image name are ignored.',
  }),
  iofsPath: iofsSettings.iofsPath,
} as const;

export interface ProcessDriverOptions {
  readonly settings: SettingsOf<typeof processSettings>;
  /** Only PATH and HOME are passed on to functions. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly logger?: Logger;
}

const INHERITED = ['PATH', 'HOME'];

/**
 * Runs functions as plain child processes, for machines without Docker. The contract of the socket and of the exit is the same,
 * but there is no isolation: they share the memory, CPU, files and network of the runner.
 */
export class ProcessDriver implements Driver {
  readonly name = 'process';
  readonly capabilities = { pause: true, isolation: false, slotKeyExtension: '' };
  readonly ready: Promise<void>;
  readonly health: HealthView = new HealthState();
  private readonly logger: Logger;
  private readonly environment: Readonly<Record<string, string>>;
  private readonly live = new Set<ProcessContainer>();
  private readonly home: IofsHome;
  private readonly closing = new Once(() => this.closeOnce());

  constructor(private readonly options: ProcessDriverOptions) {
    this.logger = options.logger ?? silentLogger;
    this.environment = Object.fromEntries(
      INHERITED.flatMap((name) => (options.environment[name] === undefined ? [] : [[name, options.environment[name]]])),
    );
    this.home = new IofsHome({ parent: options.settings.iofsPath, writableByAll: false, logger: this.logger });
    this.ready = this.open();
    this.ready.catch(() => undefined);
  }

  async prepareImage(spec: ContainerSpec, signal: AbortSignal): Promise<PreparedImage> {
    throwIfAborted(signal);
    await this.ready;
    await findManifest(this.functionsDir, spec.image);
    return { pullNs: 0, release: () => undefined };
  }

  async create(spec: ContainerSpec, signal: AbortSignal): Promise<Container> {
    throwIfAborted(signal);
    await this.ready;
    const manifest = await findManifest(this.functionsDir, spec.image);
    const iofs = await this.home.create();
    if (signal.aborted || this.closing.called) await iofs.close();
    throwIfAborted(signal);
    this.throwIfClosed();
    const container = new ProcessContainer(spec, manifest, iofs, this.environment, (closed) =>
      this.live.delete(closed),
    );
    this.live.add(container);
    return container;
  }

  close(): Promise<void> {
    return this.closing.call();
  }

  private throwIfClosed(): void {
    if (this.closing.called) throw new Error('the driver is closed');
  }

  private get functionsDir(): string {
    return this.options.settings.functionsDir ?? '';
  }

  private async open(): Promise<void> {
    const isFolder = await stat(this.functionsDir).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (!isFolder) {
      throw new Error(
        `FN_PROCESS_FUNCTIONS: expected a directory of functions, got ${JSON.stringify(this.functionsDir)}. ` +
          'The process driver runs functions from there; to run images, use the docker driver.',
      );
    }
    this.throwIfClosed();
    await this.home.open();
    this.logger.warn('functions run as plain processes: NOTHING isolates them from this machine or from each other', {
      functions: this.functionsDir,
    });
  }

  private async closeOnce(): Promise<void> {
    await Promise.all([...this.live].map((container) => container.close()));
    await this.home.close();
  }
}

export function processDriver(options: ProcessDriverOptions): ProcessDriver {
  return new ProcessDriver(options);
}
