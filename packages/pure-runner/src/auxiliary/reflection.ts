import { EventEmitter } from 'node:events';
import { GRPC_STATUS, packageDefinition, type ServerCall, type ServerCallHandler } from '@fnfleet/protocol';
import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { AuxiliaryMethod } from './auxiliary-method.js';

type Handler = (stream: ReflectionStream) => void;

/** A method of the reflection library. */
interface Loaded {
  readonly deserialize: (bytes: Buffer) => unknown;
  readonly serialize: (message: unknown) => Buffer;
  readonly handler: Handler;
}

let loading: Promise<ReadonlyMap<string, Loaded>> | undefined;

/**
 * Server reflection, for tools such as grpcurl. It is loaded on first use, because a runner that serves only balancers never
 * needs it.
 */
export const reflectionMethods: Readonly<Record<string, AuxiliaryMethod>> = Object.fromEntries(
  ['v1', 'v1alpha'].map((version) => {
    const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
    return [path, { kind: 'stream', serve: (call: ServerCall) => reflect(call, path) } as const];
  }),
);

function reflect(call: ServerCall, path: string): ServerCallHandler {
  let stream: ReflectionStream | undefined;
  const before: Buffer[] = [];
  let ended = false;
  loading ??= load();
  call.pause();
  loading.then(
    (methods) => {
      const method = methods.get(path);
      if (method === undefined) return call.end(GRPC_STATUS.UNIMPLEMENTED, `no ${path}`);
      stream = new ReflectionStream(call, method);
      method.handler(stream);
      for (const message of before.splice(0)) stream.take(message);
      if (ended) stream.emit('end');
      call.resume();
    },
    (error: Error) => call.end(GRPC_STATUS.UNAVAILABLE, `reflection cannot be loaded: ${error.message}`),
  );
  return {
    onMessage(message) {
      if (stream) stream.take(message);
      else before.push(Buffer.from(message));
    },
    onHalfClose() {
      ended = true;
      stream?.emit('end');
    },
    onCancelled: () => undefined,
  };
}

/** A gRPC stream as the library expects it. */
class ReflectionStream extends EventEmitter {
  constructor(
    private readonly call: ServerCall,
    private readonly method: Loaded,
  ) {
    super();
  }

  take(bytes: Buffer): void {
    try {
      this.emit('data', this.method.deserialize(bytes));
    } catch (error) {
      this.call.end(GRPC_STATUS.INTERNAL, `unreadable request: ${(error as Error).message}`);
    }
  }

  write(message: unknown): void {
    // A client that asks and does not read waits until it does.
    if (!this.call.send(this.method.serialize(message))) this.call.end(GRPC_STATUS.RESOURCE_EXHAUSTED, 'read first');
  }

  end(): void {
    this.call.end(GRPC_STATUS.OK, '');
  }
}

async function load(): Promise<ReadonlyMap<string, Loaded>> {
  const [{ ReflectionService }, { loadSync }, { protoPath }] = await Promise.all([
    import('@grpc/reflection'),
    import('@grpc/proto-loader'),
    import('grpc-health-check'),
  ]);
  const methods = new Map<string, Loaded>();
  const server = {
    addService(service: ServiceDefinition, handlers: UntypedServiceImplementation): void {
      for (const [name, { path, requestDeserialize, responseSerialize }] of Object.entries(service)) {
        const handler = handlers[name] as unknown as Handler;
        methods.set(path, { deserialize: requestDeserialize, serialize: responseSerialize, handler });
      }
    },
  };
  new ReflectionService({ ...packageDefinition(), ...loadSync(protoPath) }).addToServer(server as never);
  return methods;
}
