import http2 from 'node:http2';
import type { Clock } from '@fnfleet/core';
import { GRPC_STATUS, StreamError } from '../stream.js';
import { Deframer, frameMessage } from './grpc-frames.js';
import { type GrpcStatus, grpcStatusOf, statusOfHttp } from './grpc-status.js';

interface UnaryOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  readonly clock: Clock;
}

/** One gRPC request with one answer. @throws StreamError on any status but OK, on a timeout and on abort */
export function unaryCall(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  request: Buffer,
  maxMessageBytes: number,
  options: UnaryOptions,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers);
    const deframer = new Deframer(maxMessageBytes);
    let answer: Buffer | undefined;
    let status: GrpcStatus | undefined;
    let failure: StreamError | undefined;
    const abandon = (error: StreamError) => {
      failure ??= error;
      stream.close(http2.constants.NGHTTP2_CANCEL);
    };
    const onAbort = () => abandon(new StreamError(GRPC_STATUS.CANCELLED, 'cancelled'));
    const timer = options.clock.after(options.timeoutMs, () =>
      abandon(new StreamError(GRPC_STATUS.DEADLINE_EXCEEDED, `no answer within ${options.timeoutMs} ms`)),
    );
    options.signal?.addEventListener('abort', onAbort);

    stream.on('response', (received) => {
      const httpStatus = Number(received[':status']);
      status = grpcStatusOf(received) ?? (httpStatus === 200 ? undefined : statusOfHttp(httpStatus));
    });
    stream.on('trailers', (trailers) => {
      status = grpcStatusOf(trailers) ?? status;
    });
    stream.on('data', (chunk: Buffer) => {
      try {
        deframer.push(chunk, (message) => {
          answer ??= Buffer.from(message);
        });
      } catch (error) {
        abandon(new StreamError(GRPC_STATUS.INTERNAL, (error as Error).message));
      }
    });
    stream.on('error', (error) => {
      failure ??= new StreamError(GRPC_STATUS.UNAVAILABLE, error.message);
    });
    stream.on('close', () => {
      timer.cancel();
      options.signal?.removeEventListener('abort', onAbort);
      if (failure) reject(failure);
      else if (status?.code === GRPC_STATUS.OK && answer) resolve(answer);
      else reject(new StreamError(status?.code ?? GRPC_STATUS.UNAVAILABLE, status?.details ?? 'stream reset'));
    });
    stream.end(frameMessage(request));
    if (options.signal?.aborted) onAbort();
  });
}
