import type { Readable } from 'node:stream';
import { type Clock, count } from '@fnfleet/core';
import { type HealthView, untilHealthy } from '../driver-health.js';
import { fieldsOf, linesOf, textOf } from './engine-answers.js';

/** Docker has some fifty actions of ten types. */
const MAX_NAMES = 100;
const NAME = /^(?:[a-z][a-z0-9_-]{0,31})?$/;
/** Reading pauses when an engine reports more events than this. */
const LINES_A_SECOND = 5_000;
/** Delay before reconnecting: at most two connections per second. */
const RECONNECT_MS = 500;

export interface EngineEventsOptions {
  /** Resolves when the engine reports events; the stream ends on abort. */
  readonly open: (signal: AbortSignal) => Promise<Readable>;
  /** The event stream was lost, so the engine may be gone. */
  readonly onLost: () => void;
  readonly health: HealthView;
  readonly clock: Clock;
}

/** Counts all events of the engine. Reconnects when the stream is lost. */
export class EngineEvents {
  private readonly lifetime = new AbortController();
  private readonly actions = new KnownNames();
  private readonly types = new KnownNames();

  constructor(private readonly options: EngineEventsOptions) {}

  start(): void {
    void this.follow();
  }

  close(): void {
    this.lifetime.abort();
  }

  private async follow(): Promise<void> {
    const { signal } = this.lifetime;
    const { clock, health, onLost } = this.options;
    while (!signal.aborted) {
      await this.read();
      if (signal.aborted) return;
      onLost();
      await clock.sleep(RECONNECT_MS, signal);
      await untilHealthy(health, signal);
    }
  }

  /** Reads until the stream ends, for whatever reason. */
  private async read(): Promise<void> {
    try {
      const stream = await this.options.open(this.lifetime.signal);
      await this.countAll(stream);
    } catch {
      // The stream was lost or could not be opened.
    }
  }

  private async countAll(stream: Readable): Promise<void> {
    let lines = 0;
    for await (const line of linesOf(stream)) {
      this.count(line);
      lines += 1;
      if (lines % LINES_A_SECOND === 0) await this.options.clock.sleep(1_000, this.lifetime.signal);
    }
  }

  private count(line: string): void {
    const { Type, Action } = fieldsOf(JSON.parse(line));
    // The part after a colon is free text, such as the command of an exec.
    const [action = ''] = (textOf(Action) ?? '').split(':', 1);
    count('docker_events', 1, { event_action: this.actions.of(action), event_type: this.types.of(textOf(Type) ?? '') });
  }
}

/** Bounds the names that become labels of a metric, in number and in form. */
class KnownNames {
  private readonly names = new Set<string>();

  of(name: string): string {
    if (this.names.has(name)) return name;
    if (this.names.size >= MAX_NAMES || !NAME.test(name)) return 'other';
    this.names.add(name);
    return name;
  }
}
