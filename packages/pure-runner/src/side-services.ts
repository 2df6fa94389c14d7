import http2 from 'node:http2';
import { duplexPair } from 'node:stream';
import { packageDefinition, runnerService } from '@fnfleet/protocol';
import { Server, ServerCredentials, type ServerOptions, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation, protoPath as healthProtoPath } from 'grpc-health-check';

/** Names that health checks ask for: the whole server, and the service. */
const HEALTH_NAMES = ['', 'RunnerProtocol'];

/**
 * Everything beside Engage: the other methods of RunnerProtocol, health, reflection. They are served by @grpc/grpc-js,
 * which brings the services that operators' tools expect, over a connection that never leaves this process.
 */
export class SideServices {
  private readonly server: Server;
  private readonly health = new HealthImplementation(
    Object.fromEntries(HEALTH_NAMES.map((name) => [name, 'NOT_SERVING'])),
  );
  private readonly session: http2.ClientHttp2Session;

  constructor(handlers: UntypedServiceImplementation, options: ServerOptions = {}) {
    this.server = new Server(options);
    this.server.addService(runnerService(), handlers);
    this.health.addToServer(this.server);
    new ReflectionService({ ...packageDefinition(), ...loadSync(healthProtoPath) }).addToServer(this.server);
    const [near, far] = duplexPair();
    this.server.createConnectionInjector(ServerCredentials.createInsecure()).injectConnection(far);
    this.session = http2.connect('http://side-services', { createConnection: () => near });
    this.session.on('error', () => undefined); // each stream hears of it by itself
  }

  setServing(serving: boolean): void {
    for (const name of HEALTH_NAMES) this.health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
  }

  /** Passes a stream on, with everything that comes and goes on it. */
  readonly serve = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void => {
    const onward = this.session.request({ ...headers });
    let trailers: http2.IncomingHttpHeaders = {};
    stream.pipe(onward);
    onward.on('response', (response, flags) => {
      if (stream.destroyed) return;
      if (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) stream.respond(response, { endStream: true });
      else {
        stream.respond(response, { waitForTrailers: true });
        onward.pipe(stream);
      }
    });
    onward.on('trailers', (received) => {
      trailers = received;
    });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    stream.on('error', () => undefined);
    onward.on('error', () => undefined);
    stream.on('close', () => onward.close(http2.constants.NGHTTP2_CANCEL));
    onward.on('close', () => {
      if (!stream.writableEnded) stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    });
  };

  close(): void {
    this.session.destroy();
    this.server.forceShutdown();
  }
}
