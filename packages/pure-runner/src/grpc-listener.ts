import type { AddressInfo } from 'node:net';
import type { Clock } from '@fnfleet/core';
import {
  EngageHeads,
  EngagementStream,
  encodeHeaders,
  type HeaderList,
  type Http2Stream,
  MAX_MESSAGE_BYTES,
  type RunCall,
  RunnerSession,
} from '@fnfleet/protocol';
import { AuxiliaryServices } from './auxiliary/auxiliary-services.js';
import type { RunnerMethodsOptions } from './auxiliary/runner-methods.js';
import { GrpcPort, type ListenAddress, type PortConnection } from './grpc-port.js';
import type { MemberCheck } from './member-server.js';

export interface GrpcListenerOptions {
  readonly at: ListenAddress;
  readonly tls?: MemberCheck;
  /** Maximum number of open engagements, per connection and in total. */
  readonly maxStreams: number;
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  /** How long a keepalive PING may stay unanswered before a balancer is considered lost, milliseconds. */
  readonly keepaliveTimeoutMs: number;
  readonly clock: Clock;
  readonly run: RunCall;
  /** Serves all methods other than Engage. */
  readonly methods: RunnerMethodsOptions;
  /** Identifies this process to balancers. */
  readonly instanceId: string;
  /** Called when an engagement begins; returns a function to call when it has ended. */
  readonly enter: () => () => void;
}

const ENGAGE_PATH = '/RunnerProtocol/Engage';
/** The HTTP/2 error code REFUSED_STREAM. */
const H2_REFUSED_STREAM = 7;
const HTTP_UNSUPPORTED_MEDIA = encodeHeaders([[':status', '415']]);

/** The gRPC port of a runner. Engage has its own fast path; everything else goes to AuxiliaryServices. */
export class GrpcListener {
  private readonly port: GrpcPort;
  private readonly auxiliary: AuxiliaryServices;
  private readonly heads: EngageHeads;
  /** Open engagements of all connections. */
  private engagements = 0;

  constructor(private readonly options: GrpcListenerOptions) {
    this.auxiliary = new AuxiliaryServices(options.methods);
    this.heads = new EngageHeads(options.instanceId);
    const onStream = (stream: Http2Stream, head: HeaderList, from: PortConnection) => this.serve(stream, head, from);
    this.port = new GrpcPort({ ...options, onStream, logger: options.methods.logger });
  }

  get ready(): Promise<void> {
    return this.port.ready;
  }

  get address(): AddressInfo {
    return this.port.address;
  }

  setServing(serving: boolean): void {
    this.auxiliary.setServing(serving);
  }

  /** Stops listening and waits for open streams; after `graceMs` they are closed. */
  async close(graceMs: number): Promise<void> {
    this.auxiliary.close();
    const timer = graceMs > 0 ? this.options.clock.after(graceMs, () => this.port.destroy()) : undefined;
    const closed = this.port.closeGracefully();
    if (timer === undefined) this.port.destroy();
    await closed;
    timer?.cancel();
  }

  private serve(stream: Http2Stream, head: HeaderList, from: PortConnection): void {
    if (!head.get('content-type')?.startsWith('application/grpc')) {
      stream.sendHeaders(HTTP_UNSUPPORTED_MEDIA, true);
    } else if (head.get(':path') === ENGAGE_PATH) {
      const { clock, run, enter, maxStreams } = this.options;
      // REFUSED_STREAM guarantees that nothing ran, so the call can go to another runner.
      if (this.engagements >= maxStreams) return stream.reset(H2_REFUSED_STREAM);
      this.engagements += 1;
      const leave = enter();
      const onOver = () => {
        this.engagements -= 1;
        leave();
      };
      const engagement = new EngagementStream(from.connection, stream, head, {
        maxMessageBytes: MAX_MESSAGE_BYTES,
        nowMs: clock.now(),
        heads: this.heads,
        receipts: from.receipts,
      });
      engagement.attach(new RunnerSession(engagement, run), onOver);
    } else this.auxiliary.serve(stream, head, from);
  }
}
