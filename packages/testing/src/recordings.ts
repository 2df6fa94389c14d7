import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type ClientMessage, decodeClientMessage, decodeRunnerMessage, type RunnerMessage } from '@fnfleet/protocol';

/**
 * Recorded traffic between a Go balancer and a Go runner (Fn 0.3.753), one file per scenario. Message bytes are unchanged; dates
 * of HTTP responses are omitted.
 */
export interface Recording {
  readonly scenario: string;
  readonly note: string;
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
    readonly body_bytes: number;
    readonly concurrent: number;
  };
  /** The response of each HTTP client; `body` has the first 2000 bytes. */
  readonly responses: readonly {
    readonly status?: number;
    readonly headers?: readonly (readonly [string, string])[];
    readonly body?: string;
    readonly body_bytes?: number;
  }[];
  /** The events of each Engage stream, in order. */
  readonly engagements: readonly (readonly RecordedEvent[])[];
}

export interface RecordedEvent {
  readonly dir: 'balancer' | 'runner';
  readonly kind: 'metadata' | 'message' | 'half-close' | 'cancel' | 'error' | 'status';
  /** Milliseconds since the stream opened. */
  readonly t: number;
  /** The protobuf message, base64. */
  readonly bytes?: string;
  readonly code?: number;
  readonly details?: string;
}

const FOLDER = path.join(__dirname, '../fixtures/engagements');

export function recordingNames(): string[] {
  return readdirSync(FOLDER).map((file) => path.basename(file, '.json'));
}

export function loadRecording(name: string): Recording {
  return JSON.parse(readFileSync(path.join(FOLDER, `${name}.json`), 'utf8'));
}

/** The balancer's messages of an engagement, as bytes and decoded. */
export function balancerMessages(events: readonly RecordedEvent[]): { bytes: Buffer; message: ClientMessage }[] {
  return bytesFrom(events, 'balancer').map((bytes) => ({ bytes, message: decodeClientMessage(bytes) }));
}

/** The runner's messages of an engagement, as bytes and decoded. */
export function runnerMessages(events: readonly RecordedEvent[]): { bytes: Buffer; message: RunnerMessage }[] {
  return bytesFrom(events, 'runner').map((bytes) => ({ bytes, message: decodeRunnerMessage(bytes) }));
}

function bytesFrom(events: readonly RecordedEvent[], dir: RecordedEvent['dir']): Buffer[] {
  return events
    .filter((event) => event.dir === dir && event.kind === 'message')
    .map((event) => Buffer.from(event.bytes ?? '', 'base64'));
}
