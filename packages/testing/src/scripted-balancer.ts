import {
  type ClientMessage,
  decodeRunnerMessage,
  encodeClientMessage,
  type RunnerMessage,
  runnerService,
} from '@fnfleet/protocol';
import { Client, type ClientDuplexStream, credentials, Metadata, type StatusObject } from '@grpc/grpc-js';

/** One engagement that a test controls from the balancer's side. */
export interface PlayedEngagement {
  /** Everything the runner has sent so far. */
  readonly received: readonly RunnerMessage[];
  /** Resolves when the runner has sent initial metadata. */
  readonly metadata: Promise<Metadata>;
  /** Resolves when the stream has ended. */
  readonly status: Promise<PlayedEnd>;
  send(message: ClientMessage): void;
  /** Sends the raw bytes of a message. */
  sendBytes(bytes: Buffer): void;
  halfClose(): void;
  cancel(): void;
  /** Resolves with the n-th message (from 0) once received; rejects if the stream ends before. */
  message(index: number): Promise<RunnerMessage>;
}

export interface PlayedEnd {
  readonly code: number;
  readonly details: string;
  readonly trailers: Metadata;
}

/**
 * A balancer that a test controls: a real gRPC client on a real socket, built on another implementation than our balancer's
 * transport.
 */
export class ScriptedBalancer {
  private readonly client: Client;

  constructor(address: string) {
    this.client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  }

  engage(options: { deadlineMs?: number; metadata?: Readonly<Record<string, string>> } = {}): PlayedEngagement {
    const metadata = new Metadata();
    for (const [key, value] of Object.entries(options.metadata ?? {})) metadata.set(key, value);
    const deadline = options.deadlineMs === undefined ? undefined : Date.now() + options.deadlineMs;
    const call = this.client.makeBidiStreamRequest<Buffer, Buffer>(
      '/RunnerProtocol/Engage',
      (bytes) => bytes,
      (bytes) => bytes,
      metadata,
      { deadline },
    );
    return new Played(call);
  }

  /** A unary call by method name, with the field names of `proto/runner.proto`. */
  unary(
    method: string,
    request: object = {},
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<Record<string, unknown>> {
    const definition = runnerService()[method];
    if (definition === undefined) throw new Error(`no method ${method}`);
    return new Promise((resolve, reject) => {
      const call = this.client.makeUnaryRequest(
        definition.path,
        definition.requestSerialize,
        definition.responseDeserialize,
        request,
        (error, answer) => (error ? reject(error) : resolve(answer as Record<string, unknown>)),
      );
      signal?.addEventListener('abort', () => call.cancel());
    });
  }

  close(): void {
    this.client.close();
  }
}

class Played implements PlayedEngagement {
  readonly received: RunnerMessage[] = [];
  readonly metadata: Promise<Metadata>;
  readonly status: Promise<PlayedEnd>;
  private readonly waiting = new Set<() => void>();
  private over = false;

  constructor(private readonly call: ClientDuplexStream<Buffer, Buffer>) {
    call.on('data', (bytes: Buffer) => {
      this.received.push(decodeRunnerMessage(bytes));
      this.wake();
    });
    call.on('error', () => undefined); // the status says the same
    this.metadata = new Promise((resolve) => call.on('metadata', resolve));
    this.status = new Promise((resolve) => {
      call.on('status', ({ code, details, metadata: trailers }: StatusObject) => {
        this.over = true;
        this.wake();
        resolve({ code, details, trailers });
      });
    });
  }

  send(message: ClientMessage): void {
    this.sendBytes(encodeClientMessage(message));
  }

  sendBytes(bytes: Buffer): void {
    this.call.write(bytes);
  }

  halfClose(): void {
    this.call.end();
  }

  cancel(): void {
    this.call.cancel();
  }

  async message(index: number): Promise<RunnerMessage> {
    for (;;) {
      const found = this.received[index];
      if (found !== undefined) return found;
      if (this.over) throw new Error(`the stream ended after ${this.received.length} messages`);
      await new Promise<void>((resolve) => this.waiting.add(resolve));
    }
  }

  private wake(): void {
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }
}
