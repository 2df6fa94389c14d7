import type { ServerResponse } from 'node:http';
import { sendError } from '@fnfleet/http';
import type { RecordedChange } from '../datastore/datastore.js';
import type { FeedReader } from './feed-reader.js';

/**
 * One client of the change feed: server-sent events over HTTP.
 *
 *   id: <position>        id: <position>              :
 *   event: reset          event: change
 *   data: {}              data: {"kind":"fn", …}      (a comment as sign of life)
 */
export class EventStream implements FeedReader {
  constructor(
    private readonly res: ServerResponse,
    private readonly heartbeatMs: number,
  ) {}

  get hasBegun(): boolean {
    return this.res.headersSent;
  }

  get isFull(): boolean {
    return this.res.writableNeedDrain;
  }

  onReadable(listener: () => void): void {
    this.res.on('drain', listener);
  }

  reset(position: string): void {
    this.write(`id: ${position}\nevent: reset\ndata: {}\n\n`);
  }

  send(changes: readonly RecordedChange[]): void {
    // The first answer to a known position may be empty: it confirms the position.
    if (changes.length > 0) this.write(changes.map(eventOf).join(''));
    else if (!this.hasBegun) this.beat();
  }

  beat(): void {
    this.write(':\n\n');
  }

  fail(error: unknown): boolean {
    sendError(this.res, error);
    return true;
  }

  end(): void {
    if (this.hasBegun) this.res.end();
    else this.res.destroy();
  }

  drop(): void {
    this.res.destroy();
  }

  private write(text: string): void {
    if (this.res.destroyed) return;
    if (!this.hasBegun) {
      this.res.writeHead(200, {
        'Content-Type': 'text/event-stream; charset=utf-8',
        'Cache-Control': 'no-store',
        // nginx would collect events.
        'X-Accel-Buffering': 'no',
        'Fn-Heartbeat-Msecs': this.heartbeatMs,
      });
    }
    this.res.write(text);
  }
}

function eventOf({ position, kind, action, id, appId, name, sources }: RecordedChange): string {
  const data = { kind, action, id, app_id: appId, name, sources };
  return `id: ${position}\nevent: change\ndata: ${JSON.stringify(data)}\n\n`;
}
