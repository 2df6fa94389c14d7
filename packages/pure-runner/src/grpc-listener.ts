import type { AddressInfo } from 'node:net';
import type { Clock } from '@fnfleet/core';
import { Http2RunnerStream, type RunCall, RunnerSession } from '@fnfleet/protocol';
import type { ServerOptions } from '@grpc/grpc-js';
import { EngageServer, type StreamListener } from './engage-server.js';
import type { MemberCheck } from './member-server.js';
import { type RunnerHandlersOptions, runnerHandlers } from './runner-handlers.js';
import { SideServices } from './side-services.js';

export interface GrpcListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly tls?: MemberCheck;
  readonly grpcOptions?: ServerOptions;
  readonly maxStreams: number;
  /** A balancer that owes a sign of life for so long is taken for lost, milliseconds. */
  readonly silenceMs: number;
  readonly clock: Clock;
  readonly run: RunCall;
  /** Answers everything beside Engage. */
  readonly handlers: RunnerHandlersOptions;
  /** Names this process to balancers. */
  readonly incarnation: string;
  /** An engagement has begun; returns what to call when it has ended. */
  readonly enter: () => () => void;
}

const ENGAGE_PATH = '/RunnerProtocol/Engage';
/** Largest message taken from a balancer, bytes: that of the original. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

/** The gRPC port of a runner: Engage on its own short way, everything else beside it. */
export class GrpcListener {
  private readonly server: EngageServer;
  private readonly side: SideServices;

  constructor(private readonly options: GrpcListenerOptions) {
    this.side = new SideServices(runnerHandlers(options.handlers), options.grpcOptions);
    this.server = new EngageServer({ ...options, onStream: this.onStream, logger: options.handlers.logger });
  }

  get ready(): Promise<void> {
    return this.server.ready;
  }

  get address(): AddressInfo {
    return this.server.address;
  }

  setServing(serving: boolean): void {
    this.side.setServing(serving);
  }

  /** Stops listening and lets open streams end; those that do not within `graceMs` are cut. */
  async close(graceMs: number): Promise<void> {
    const timer = graceMs > 0 ? this.options.clock.after(graceMs, () => this.server.cut()) : undefined;
    const closed = this.server.goodbye();
    if (timer === undefined) this.server.cut();
    await closed;
    timer?.cancel();
    this.side.close();
  }

  private readonly onStream: StreamListener = (stream, headers, receipts) => {
    if (!headers['content-type']?.startsWith('application/grpc')) {
      stream.respond({ ':status': 415 }, { endStream: true });
    } else if (headers[':path'] === ENGAGE_PATH) {
      const { clock, run, enter, incarnation } = this.options;
      const engagement = new Http2RunnerStream(stream, headers, {
        maxMessageBytes: MAX_MESSAGE_BYTES,
        nowMs: clock.now(),
        incarnation,
        receipts,
      });
      engagement.attach(new RunnerSession(engagement, run), enter());
    } else this.side.serve(stream, headers);
  };
}
