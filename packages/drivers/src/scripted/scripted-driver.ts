import { FnError, Once, silentLogger } from '@fnfleet/core';
import type { ContainerSpec, Driver, DriverCapabilities, ImagePull, PreparedImage } from '../driver.js';
import { HealthState } from '../driver-health.js';
import { IofsHome } from '../iofs/iofs-home.js';
import { throwIfAborted } from '../waiting.js';
import { Gate, type Gates } from './gate.js';
import { Counters, ScriptedContainer, type ScriptedFunction } from './scripted-container.js';

export interface ScriptedDriverOptions {
  /** Functions by image. Other images cannot be pulled. */
  readonly functions: Readonly<Record<string, ScriptedFunction>>;
  readonly capabilities?: Partial<DriverCapabilities>;
  /** Where the socket directories are created; by default the temporary directory of the system. */
  readonly iofsPath?: string;
}

/**
 * A driver for tests of agents and runners: functions are handlers in this process, each container behind its own unix socket.
 * Steps can be held at `gates`, `counters` show what is left, and `containers` lists the live ones.
 */
export class ScriptedDriver implements Driver {
  readonly name = 'scripted';
  readonly capabilities: DriverCapabilities;
  readonly ready = Promise.resolve();
  /** Degraded and recovered by tests. */
  readonly health = new HealthState();
  readonly counters = new Counters();
  readonly gates: Gates = {
    pull: new Gate(),
    create: new Gate(),
    start: new Gate(),
    listen: new Gate(),
    pause: new Gate(),
    resume: new Gate(),
    close: new Gate(),
  };
  private readonly live = new Set<ScriptedContainer>();
  private readonly home: IofsHome;
  private readonly closing = new Once(() => this.closeOnce());

  constructor(private readonly options: ScriptedDriverOptions) {
    this.home = new IofsHome({ parent: options.iofsPath, writableByAll: false, logger: silentLogger });
    this.capabilities = { pause: true, isolation: true, slotKeyExtension: '', ...options.capabilities };
  }

  /** Containers that were created and not closed, oldest first. */
  get containers(): readonly ScriptedContainer[] {
    return [...this.live];
  }

  async prepareImage(
    spec: ContainerSpec,
    signal: AbortSignal,
    onPull?: (pull: ImagePull) => void,
  ): Promise<PreparedImage> {
    throwIfAborted(signal);
    const known = this.options.functions[spec.image];
    if (known?.pull !== undefined) onPull?.(known.pull);
    await this.gates.pull.pass(spec, signal);
    const script = known ?? this.scriptOf(spec);
    if (script.pullError) throw script.pullError;
    this.counters.prepared += 1;
    let held = true;
    const release = () => {
      if (held) this.counters.released += 1;
      held = false;
    };
    return { pullNs: script.pullNs ?? 0, release };
  }

  async create(spec: ContainerSpec, signal: AbortSignal): Promise<ScriptedContainer> {
    throwIfAborted(signal);
    await this.gates.create.pass(spec, signal);
    const script = this.scriptOf(spec);
    if (script.createError) throw script.createError;
    const iofs = await this.home.create();
    if (signal.aborted || this.closing.called) await iofs.close();
    throwIfAborted(signal);
    if (this.closing.called) throw new Error('the driver is closed');
    const container = new ScriptedContainer(spec, script, iofs, this.counters, this.gates, (closed) =>
      this.live.delete(closed),
    );
    this.live.add(container);
    this.counters.created += 1;
    this.counters.peak = Math.max(this.counters.peak, this.counters.live);
    return container;
  }

  close(): Promise<void> {
    return this.closing.call();
  }

  private scriptOf({ image }: ContainerSpec): ScriptedFunction {
    const script = this.options.functions[image];
    if (script === undefined) {
      throw new FnError('imagePullFailed', { status: 404, params: { image, reason: 'not in the script' } });
    }
    return script;
  }

  private async closeOnce(): Promise<void> {
    for (const gate of Object.values(this.gates)) gate.release();
    await Promise.all(this.containers.map((container) => container.close()));
    await this.home.close();
  }
}

export function scriptedDriver(options: ScriptedDriverOptions): ScriptedDriver {
  return new ScriptedDriver(options);
}
