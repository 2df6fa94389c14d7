import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { type Clock, count } from '@fnfleet/core';
import { type HealthView, untilHealthy } from '../driver-health.js';

/** At most two connections a second. */
const RECONNECT_MS = 500;

export interface EngineEventsOptions {
  /** Resolves when the engine has begun to report; the stream ends on abort. */
  readonly open: (signal: AbortSignal) => Promise<Readable>;
  /** The engine has stopped reporting: it may be gone. */
  readonly onLost: () => void;
  readonly health: HealthView;
  readonly clock: Clock;
}

/** Follows and counts what the engine reports, of whomever. A stream that is lost is taken up again. */
export class EngineEvents {
  private readonly over = new AbortController();

  constructor(private readonly options: EngineEventsOptions) {}

  begin(): void {
    void this.follow();
  }

  end(): void {
    this.over.abort();
  }

  private async follow(): Promise<void> {
    const { signal } = this.over;
    const { clock, health, onLost } = this.options;
    while (!signal.aborted) {
      await this.read();
      if (signal.aborted) return;
      onLost();
      await clock.sleep(RECONNECT_MS, signal);
      await untilHealthy(health, signal);
    }
  }

  /** Until the stream ends, however it does. */
  private async read(): Promise<void> {
    try {
      const stream = await this.options.open(this.over.signal);
      for await (const line of createInterface({ input: stream })) countEvent(line);
    } catch {
      // Lost, or not to be had now.
    }
  }
}

function countEvent(line: string): void {
  const { Type, Action } = JSON.parse(line) as { Type?: string; Action?: string };
  // What follows a colon is somebody's own words, such as the command of an exec.
  const [action] = (Action ?? '').split(':');
  count('docker_events', 1, { event_action: action ?? '', event_type: Type ?? '' });
}
