import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import type { ClientMessage, RunnerMessage } from '../messages.js';
import type { RunnerStream, RunnerStreamHandler } from '../stream.js';

export type EngageCall = ServerDuplexStream<ClientMessage, RunnerMessage>;

/** The runner's end of an Engage stream on a @grpc/grpc-js server. */
export class GrpcRunnerStream implements RunnerStream {
  private ended = false;
  readonly deadlineAt: number | undefined;

  constructor(private readonly call: EngageCall) {
    this.deadlineAt = deadlineOf(call);
  }

  /** Starts delivery. `onOver` is called once, when the stream is gone for whatever reason. */
  attach(handler: RunnerStreamHandler, onOver: () => void): void {
    const { call } = this;
    let over = false;
    const once = () => {
      if (over) return;
      over = true;
      onOver();
    };
    call.on('data', (message: ClientMessage) => handler.onMessage(message));
    call.on('end', () => handler.onHalfClose());
    call.on('drain', () => handler.onWritable());
    call.on('cancelled', () => {
      this.ended = true;
      handler.onCancelled();
      once();
    });
    // The library reports here what it could not read or write; the peer has been told by then.
    call.on('error', () => {
      if (!this.ended) handler.onCancelled();
      this.ended = true;
      once();
    });
    call.on('finish', once);
    call.on('close', once);
  }

  send(message: RunnerMessage): boolean {
    return this.ended ? false : this.call.write(message);
  }

  pause(): void {
    this.call.pause();
  }

  resume(): void {
    if (!this.ended) this.call.resume();
  }

  end(code: number, details: string): void {
    if (this.ended) return;
    this.ended = true;
    if (code === status.OK) this.call.end();
    else this.call.emit('error', { code, details });
  }
}

function deadlineOf(call: EngageCall): number | undefined {
  const deadline = call.getDeadline();
  const at = deadline instanceof Date ? deadline.getTime() : deadline;
  return Number.isFinite(at) ? at : undefined;
}
