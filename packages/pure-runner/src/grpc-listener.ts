import type { AddressInfo } from 'node:net';
import type { Clock } from '@fnfleet/core';
import { packageDefinition, runnerService } from '@fnfleet/protocol';
import { Server, ServerCredentials, type ServerOptions, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation, protoPath as healthProtoPath } from 'grpc-health-check';

export interface GrpcListenerOptions {
  readonly listen: string;
  readonly credentials?: ServerCredentials;
  readonly grpcOptions: ServerOptions;
  readonly handlers: UntypedServiceImplementation;
  readonly clock: Clock;
}

/** Names that health checks ask for: the whole server, and the service. */
const HEALTH_NAMES = ['', 'RunnerProtocol'];

/** The gRPC port of a runner: RunnerProtocol, and beside it the standard health and reflection services. */
export class GrpcListener {
  readonly ready: Promise<void>;
  private readonly server: Server;
  private readonly health = new HealthImplementation(
    Object.fromEntries(HEALTH_NAMES.map((name) => [name, 'NOT_SERVING'])),
  );
  private port = 0;

  constructor(private readonly options: GrpcListenerOptions) {
    this.server = new Server(options.grpcOptions);
    this.server.addService(runnerService(), options.handlers);
    this.health.addToServer(this.server);
    new ReflectionService({ ...packageDefinition(), ...loadSync(healthProtoPath) }).addToServer(this.server);
    this.ready = this.bind();
    this.ready.catch(() => undefined); // whoever waits for it is told
  }

  get address(): AddressInfo {
    const at = this.options.listen.lastIndexOf(':');
    const address = this.options.listen.slice(0, at);
    return { address, port: this.port, family: address.includes(':') ? 'IPv6' : 'IPv4' };
  }

  setServing(serving: boolean): void {
    for (const name of HEALTH_NAMES) this.health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
  }

  /** Stops listening and lets open connections end; those that do not within `graceMs` are cut. */
  async close(graceMs: number): Promise<void> {
    const timer = graceMs > 0 ? this.options.clock.after(graceMs, () => this.server.forceShutdown()) : undefined;
    if (timer === undefined) this.server.forceShutdown();
    await new Promise<void>((resolve) => this.server.tryShutdown(() => resolve()));
    timer?.cancel();
  }

  private bind(): Promise<void> {
    const { listen, credentials = ServerCredentials.createInsecure() } = this.options;
    return new Promise((resolve, reject) => {
      this.server.bindAsync(listen, credentials, (error, port) => {
        if (error)
          return reject(new Error(`cannot listen on ${listen} (FN_GRPC_PORT, FN_BIND_ADDRESS): ${error.message}`));
        this.port = port;
        resolve();
      });
    });
  }
}
