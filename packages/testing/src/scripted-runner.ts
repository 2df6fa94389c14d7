import { type ClientMessage, encodeRunnerMessage, type RunnerMessage, runnerService } from '@fnfleet/protocol';
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js';

/** One engagement, which the test controls step by step. */
export interface ScriptedEngagement {
  /** Everything the balancer has sent so far. */
  readonly received: readonly ClientMessage[];
  readonly metadata: Metadata;
  /** Milliseconds since the epoch; Infinity if there is none. */
  readonly deadlineAt: number;
  readonly halfClosed: boolean;
  readonly cancelled: Promise<void>;
  /** Resolves when the body has arrived completely. */
  readonly wholeBody: Promise<Buffer>;
  send(message: RunnerMessage): void;
  /** Sends the raw bytes of a message. */
  sendBytes(bytes: Buffer): void;
  /** Sends initial metadata, which is otherwise sent with the first message. */
  begin(metadata: Readonly<Record<string, string>>): void;
  /** Ends the RPC. Code 0 is OK. Values of keys that end in `-bin` are base64. */
  end(code?: number, details?: string, trailers?: Readonly<Record<string, string>>): void;
}

export interface ScriptedRunner {
  readonly address: string;
  readonly engagements: readonly ScriptedEngagement[];
  close(): Promise<void>;
}

/**
 * A runner that a test controls: a real gRPC peer on a real socket. It uses another gRPC implementation than the balancer's
 * transport, so that the two verify each other.
 * @param options.status the answer to `Status`, with the field names of `proto/runner.proto`
 * @param options.at where it listens: a free port, or `unix:/path`
 */
export async function startScriptedRunner(
  script: (engagement: ScriptedEngagement) => void | Promise<void>,
  { status = {}, at = '127.0.0.1:0' }: { readonly status?: object; readonly at?: string } = {},
): Promise<ScriptedRunner> {
  const engagements: ScriptedEngagement[] = [];
  const server = new Server({ 'grpc.max_concurrent_streams': 1000 });
  const service = runnerService();
  const engage = service.Engage;
  if (engage === undefined) throw new Error('no Engage in the service');
  const raw = { ...service, Engage: { ...engage, responseSerialize: (bytes: Buffer) => bytes } };
  server.addService(raw, {
    Engage(call: ServerDuplexStream<ClientMessage, Buffer>) {
      const engagement = new Engagement(call);
      engagements.push(engagement);
      void script(engagement);
    },
    Status(_call: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<object>) {
      answer(null, status);
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(at, ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return {
    address: at.startsWith('unix:') ? at : `127.0.0.1:${port}`,
    engagements,
    async close() {
      server.forceShutdown();
      await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
    },
  };
}

class Engagement implements ScriptedEngagement {
  readonly received: ClientMessage[] = [];
  readonly metadata: Metadata;
  readonly deadlineAt: number;
  readonly cancelled: Promise<void>;
  readonly wholeBody: Promise<Buffer>;
  halfClosed = false;

  constructor(private readonly call: ServerDuplexStream<ClientMessage, Buffer>) {
    this.metadata = call.metadata;
    this.deadlineAt = Number(call.getDeadline());
    this.cancelled = new Promise((resolve) => call.on('cancelled', () => resolve()));
    call.on('error', () => undefined);
    this.wholeBody = new Promise((resolve) => {
      const parts: Buffer[] = [];
      call.on('data', (message: ClientMessage) => {
        this.received.push(message);
        if (message.kind !== 'data') return;
        parts.push(message.data);
        if (message.eof) resolve(Buffer.concat(parts));
      });
    });
    call.on('end', () => {
      this.halfClosed = true;
    });
  }

  send(message: RunnerMessage): void {
    this.sendBytes(encodeRunnerMessage(message));
  }

  sendBytes(bytes: Buffer): void {
    this.call.write(bytes);
  }

  begin(metadata: Readonly<Record<string, string>>): void {
    this.call.sendMetadata(metadataOf(metadata));
  }

  end(code = 0, details = '', trailers: Readonly<Record<string, string>> = {}): void {
    const metadata = metadataOf(trailers);
    if (code === 0) this.call.end(metadata);
    else this.call.emit('error', { code, details, metadata });
  }
}

function metadataOf(entries: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(entries)) {
    metadata.set(key, key.endsWith('-bin') ? Buffer.from(value, 'base64') : value);
  }
  return metadata;
}

/** Options of links to peers in tests, which may accept connections slowly on a busy machine. */
export const TEST_LINK = { connectTimeoutMs: 30_000 } as const;
