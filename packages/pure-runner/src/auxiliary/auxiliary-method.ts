import { CancelledError } from '@fnfleet/core';
import { GRPC_STATUS, type ServerCall, type ServerCallHandler } from '@fnfleet/protocol';

/** Serves one RPC beside Engage. */
export interface AuxiliaryMethod {
  /**
   * `unary`: ends by itself. `stream`: stays open for as long as its client likes, so there may be few.
   */
  readonly kind: 'unary' | 'stream';
  serve(call: ServerCall): ServerCallHandler;
}

/** What a method answers with another status than OK. */
export class AuxiliaryError extends Error {
  override readonly name = 'AuxiliaryError';

  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

/** One request, one answer; the signal aborts when nobody waits for it any more. */
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

/** A request that cannot be read is the client's fault. */
export function readRequest<T>(bytes: Buffer, deserialize: (bytes: Buffer) => T): T {
  try {
    return deserialize(bytes);
  } catch (error) {
    throw new AuxiliaryError(GRPC_STATUS.INTERNAL, `unreadable request: ${(error as Error).message}`);
  }
}
