import { EventEmitter, once } from 'node:events';
import { type Call, type HeaderList, type ResponseWriter, wallMs } from '@fnfleet/core';
import type { BodyPiece, BodyReader, OutboundCall, ReplayableBody } from '@fnfleet/protocol';

/** A call with defaults for everything that a test does not specify. */
export function aCall(overrides: Partial<Call> = {}): Call {
  return {
    id: '01D1ZVPBKV180G40RZJ0000001',
    image: 'fnproject/hello:0.0.1',
    type: 'sync',
    fnId: 'fn1',
    appId: 'app1',
    appName: 'app',
    triggerId: '',
    method: 'POST',
    url: 'http://localhost/invoke/fn1',
    headers: {},
    config: {},
    annotations: {},
    syslogUrl: '',
    timeoutSeconds: 30,
    idleTimeoutSeconds: 30,
    memoryMb: 128,
    tmpfsMb: 0,
    cpuMillis: 0,
    status: 'running',
    createdAt: wallMs(Date.UTC(2026, 0, 1)),
    startedAt: wallMs(Date.UTC(2026, 0, 1)),
    completedAt: undefined,
    ...overrides,
  };
}

/** Records a response; can be made slow. */
export class RecordingWriter extends EventEmitter implements ResponseWriter {
  status: number | undefined;
  headers: HeaderList = [];
  private readonly parts: Buffer[] = [];
  /** While true, `write` returns false. */
  slow = false;
  private drain: (() => void) | undefined;

  writeHead(status: number, headers: HeaderList): void {
    this.status = status;
    this.headers = headers;
  }

  write(chunk: Buffer): boolean {
    this.parts.push(Buffer.from(chunk));
    this.emit('write');
    return !this.slow;
  }

  onDrain(callback: () => void): void {
    this.drain = callback;
  }

  /** Signals that there is room again. */
  release(): void {
    this.slow = false;
    const { drain } = this;
    this.drain = undefined;
    drain?.();
  }

  get body(): Buffer {
    return Buffer.concat(this.parts);
  }

  async written(): Promise<void> {
    await once(this, 'write');
  }
}

/** A complete body that is read in pieces of the given size. Counts how often it was opened. */
export class FixedBody implements ReplayableBody {
  readonly replayable = true;
  opened = 0;
  openReaders = 0;
  committed = false;

  constructor(
    private readonly bytes: Buffer = Buffer.alloc(0),
    private readonly pieceBytes = Number.POSITIVE_INFINITY,
  ) {}

  open(): BodyReader {
    this.opened += 1;
    this.openReaders += 1;
    let at = 0;
    let closed = false;
    const read = (): BodyPiece => {
      const data = this.bytes.subarray(at, Math.min(at + this.pieceBytes, this.bytes.length));
      at += data.length;
      return { data, last: at >= this.bytes.length };
    };
    const close = () => {
      if (!closed) this.openReaders -= 1;
      closed = true;
    };
    return { read, close, onReadable: undefined };
  }

  commit(): void {
    this.committed = true;
  }
}

export interface TestCall extends OutboundCall {
  readonly body: FixedBody;
  readonly response: RecordingWriter;
  executionNs: number;
  /** How often a runner acknowledged the start. */
  starts: number;
  /** How often it was lost and may run again. */
  reruns: number;
}

export function anOutboundCall(
  overrides: Partial<
    Pick<TestCall, 'model' | 'body' | 'extensions' | 'slotHash' | 'requestId' | 'deadlineAt' | 'mayRunAgain'>
  > = {},
): TestCall {
  return {
    model: aCall(),
    slotHash: '',
    extensions: {},
    body: new FixedBody(),
    response: new RecordingWriter(),
    executionNs: 0,
    starts: 0,
    reruns: 0,
    started() {
      this.starts += 1;
    },
    runsAgain() {
      this.reruns += 1;
    },
    addExecution(durationNs) {
      this.executionNs += durationNs;
    },
    ...overrides,
  };
}
