import { type ClientMessage, encodeRunnerMessage, type RunnerMessage, runnerService } from '@fnfleet/protocol';
import { Metadata, Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';

/** What one engagement does; the test drives it by hand. */
export interface ScriptedEngagement {
  /** Everything the balancer has sent so far. */
  readonly received: readonly ClientMessage[];
  readonly metadata: Metadata;
  /** Milliseconds since the epoch; Infinity: none. */
  readonly deadlineAt: number;
  readonly halfClosed: boolean;
  readonly cancelled: Promise<void>;
  /** Resolves when the body has arrived completely. */
  readonly wholeBody: Promise<Buffer>;
  send(message: RunnerMessage): void;
  /** A message as it stands on the wire. */
  sendBytes(bytes: Buffer): void;
  /** Ends the RPC. Code 0 is OK. */
  end(code?: number, details?: string): void;
}

export interface ScriptedRunner {
  readonly address: string;
  readonly engagements: readonly ScriptedEngagement[];
  close(): Promise<void>;
}

/**
 * A runner that a test plays: a real gRPC peer on a real socket, for what only the wire can show. Built on another gRPC
 * implementation than the balancer's own transport, so the two check each other.
 */
export async function startScriptedRunner(
  script: (engagement: ScriptedEngagement) => void | Promise<void>,
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
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return {
    address: `127.0.0.1:${port}`,
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

  end(code = 0, details = ''): void {
    if (code === 0) this.call.end();
    else this.call.emit('error', { code, details, metadata: new Metadata() });
  }
}
