import { CancelledError } from '@fnfleet/core';
import { GRPC_STATUS, type ServerCall, type ServerCallHandler } from '@fnfleet/protocol';

/** Serves one RPC method other than Engage. */
export interface AuxiliaryMethod {
  /**
   * `unary`: ends by itself. `stream`: stays open as long as its client likes, so fewer are allowed.
   */
  readonly kind: 'unary' | 'stream';
  serve(call: ServerCall): ServerCallHandler;
}

/** A response with a status other than OK. */
export class AuxiliaryError extends Error {
  override readonly name = 'AuxiliaryError';

  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

/** A method with one request and one response. The signal aborts when the client has gone. */
export function unary(answer: (request: Buffer, signal: AbortSignal) => Promise<Buffer> | Buffer): AuxiliaryMethod {
  return {
    kind: 'unary',
    serve(call) {
      const gone = new AbortController();
      let asked = false;
      const fail = (error: unknown) => {
        const code = error instanceof AuxiliaryError ? error.code : GRPC_STATUS.UNKNOWN;
        call.end(error instanceof CancelledError ? GRPC_STATUS.CANCELLED : code, (error as Error).message);
      };
      const reply = async (request: Buffer) => {
        const bytes = await answer(request, gone.signal);
        call.send(bytes);
        call.end(GRPC_STATUS.OK, '');
      };
      return {
        onMessage(request) {
          if (asked) return;
          asked = true;
          reply(Buffer.from(request)).catch(fail);
        },
        onHalfClose() {
          if (!asked) call.end(GRPC_STATUS.INTERNAL, 'a request without a message');
        },
        onCancelled: () => gone.abort(new CancelledError()),
      };
    },
  };
}

/** Decodes a request; a failure is reported as the client's fault. */
export function readRequest<T>(bytes: Buffer, deserialize: (bytes: Buffer) => T): T {
  try {
    return deserialize(bytes);
  } catch (error) {
    throw new AuxiliaryError(GRPC_STATUS.INTERNAL, `unreadable request: ${(error as Error).message}`);
  }
}
