import { GRPC_STATUS, type HeaderList, type Http2Stream, ServerCall, type ServerCallHandler } from '@fnfleet/protocol';
import type { PortConnection } from '../grpc-port.js';
import type { AuxiliaryMethod } from './auxiliary-method.js';
import { Health } from './health.js';
import { reflectionMethods } from './reflection.js';
import { type RunnerMethodsOptions, runnerMethods } from './runner-methods.js';

/** Maximum size of a request, bytes. */
const MAX_REQUEST_BYTES = 1024 * 1024;
/** Maximum number of open RPCs other than Engage per connection: those that end by themselves, and streams. */
const MAX_OPEN = { unary: 256, stream: 32 } as const;
/** Maximum number of open streams of all connections. Unary RPCs have no such limit, because some clients could starve others. */
const MAX_STREAMS = 512;

/**
 * Serves everything other than Engage: the other methods of RunnerProtocol, health and reflection.
 *
 * S1  `Status` and `Check` depend on nothing that other clients can exhaust: neither on open streams nor on other connections.
 */
export class AuxiliaryServices {
  private readonly health = new Health();
  private readonly methods: ReadonlyMap<string, AuxiliaryMethod>;
  private readonly open = new WeakMap<PortConnection, { unary: number; stream: number }>();
  private streams = 0;

  constructor(options: RunnerMethodsOptions) {
    const methods = { ...runnerMethods(options), ...this.health.methods, ...reflectionMethods };
    this.methods = new Map(Object.entries(methods));
  }

  setServing(serving: boolean): void {
    this.health.setServing(serving);
  }

  /** Serves a stream that is not an engagement. */
  serve(stream: Http2Stream, head: HeaderList, from: PortConnection): void {
    const call = new ServerCall(from.connection, stream, MAX_REQUEST_BYTES);
    const path = head.get(':path') ?? '';
    const method = this.methods.get(path);
    if (method === undefined) return refuse(call, GRPC_STATUS.UNIMPLEMENTED, 'no such method');
    const leave = this.enter(method.kind, from);
    if (leave === undefined) return refuse(call, GRPC_STATUS.RESOURCE_EXHAUSTED, 'too many open at a time');
    call.attach((served) => method.serve(served), leave);
  }

  close(): void {
    this.health.close();
  }

  private enter(kind: AuxiliaryMethod['kind'], from: PortConnection): (() => void) | undefined {
    const open = this.open.get(from) ?? { unary: 0, stream: 0 };
    this.open.set(from, open);
    if (open[kind] >= MAX_OPEN[kind] || (kind === 'stream' && this.streams >= MAX_STREAMS)) return undefined;
    open[kind] += 1;
    if (kind === 'stream') this.streams += 1;
    return () => {
      open[kind] -= 1;
      if (kind === 'stream') this.streams -= 1;
    };
  }
}

function refuse(call: ServerCall, code: number, details: string): void {
  call.attach(
    () => NOBODY,
    () => undefined,
  );
  call.end(code, details);
}

const NOBODY: ServerCallHandler = {
  onMessage: () => undefined,
  onHalfClose: () => undefined,
  onCancelled: () => undefined,
};
