import { GRPC_STATUS, type ServerCall } from '@fnfleet/protocol';
import protobuf from 'protobufjs/minimal.js';
import { AuxiliaryError, type AuxiliaryMethod, readRequest, unary } from './auxiliary-method.js';

/** The names in health checks: the whole server, and the service. */
const HEALTH_NAMES = ['', 'RunnerProtocol'] as const;

const STATUS = { SERVING: 1, NOT_SERVING: 2, SERVICE_UNKNOWN: 3 } as const;
type Status = (typeof STATUS)[keyof typeof STATUS];

const { Reader, Writer } = protobuf;
const tag = (field: number, wireType: number) => (field << 3) | wireType;

/** Implements `grpc.health.v1.Health`, for gRPC health probes and balancers. */
export class Health {
  private status: Status = STATUS.NOT_SERVING;
  private readonly watchers = new Set<ServerCall>();

  readonly methods: Readonly<Record<string, AuxiliaryMethod>> = {
    '/grpc.health.v1.Health/Check': unary((request) => {
      const service = readRequest(request, serviceOf);
      if (!isKnown(service)) throw new AuxiliaryError(GRPC_STATUS.NOT_FOUND, 'Health status unknown for this service');
      return response(this.status);
    }),
    '/grpc.health.v1.Health/List': unary(() => listOf(this.status)),
    '/grpc.health.v1.Health/Watch': { kind: 'stream', serve: (call) => this.watch(call) },
  };

  setServing(serving: boolean): void {
    const status = serving ? STATUS.SERVING : STATUS.NOT_SERVING;
    if (status === this.status) return;
    this.status = status;
    for (const call of this.watchers) call.send(response(status));
  }

  /** Ends all watches, because the server shuts down. */
  close(): void {
    for (const call of this.watchers) call.end(GRPC_STATUS.UNAVAILABLE, 'the runner is shutting down');
    this.watchers.clear();
  }

  private watch(call: ServerCall) {
    return {
      onMessage: (request: Buffer) => {
        if (!isKnown(serviceOf(request))) return void call.send(response(STATUS.SERVICE_UNKNOWN));
        this.watchers.add(call);
        call.send(response(this.status));
      },
      onHalfClose: () => undefined,
      onCancelled: () => this.watchers.delete(call),
    };
  }
}

function isKnown(service: string): boolean {
  return (HEALTH_NAMES as readonly string[]).includes(service);
}

/** Decodes a `HealthCheckRequest`. */
function serviceOf(request: Buffer): string {
  const reader = Reader.create(request);
  let service = '';
  while (reader.pos < reader.len) {
    const key = reader.uint32();
    if (key === tag(1, 2)) service = reader.string();
    else reader.skipType(key & 7);
  }
  return service;
}

/** Encodes a `HealthCheckResponse`. */
function response(status: Status): Buffer {
  return Buffer.from([tag(1, 0), status]);
}

function listOf(status: Status): Buffer {
  const writer = Writer.create();
  for (const name of HEALTH_NAMES) {
    writer.uint32(tag(1, 2)).fork();
    writer.uint32(tag(1, 2)).string(name).uint32(tag(2, 2)).bytes(response(status)).ldelim();
  }
  return Buffer.from(writer.finish());
}
