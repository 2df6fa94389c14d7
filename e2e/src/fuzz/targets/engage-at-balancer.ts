import { newGrpcRunner } from '@fnfleet/placement';
import {
  anOutboundCall,
  dataFrame,
  FLAG,
  fromRunner,
  GRPC_OK,
  GRPC_RESPONSE,
  headersFrame,
  literalHeaders,
  type RawConnection,
  settingsFrame,
  startRawServer,
  within,
} from '@fnfleet/testing';
import fc from 'fast-check';
import { bytes, damaged, inPieces } from '../byte-arbitraries.js';
import { frames, runnerMessage } from '../http2-arbitraries.js';
import type { FuzzTarget, OpenTarget } from '../target.js';

const ANSWER_MS = 10_000;
/** A runner that says nothing more has had its chance after this long; its call is cancelled. */
const CALL_MS = 100;

const messages = fc.oneof(
  fc.array(runnerMessage, { maxLength: 4 }).map((all) => fromRunner(...all)),
  bytes(80),
);

const HELLO = settingsFrame([]);
const AN_ANSWER = Buffer.concat([
  HELLO,
  headersFrame(1, literalHeaders(GRPC_RESPONSE)),
  dataFrame(
    1,
    fromRunner({ kind: 'resultStart', status: 200, headers: [] }, { kind: 'data', data: Buffer.from('ok'), eof: true }),
  ),
  headersFrame(1, literalHeaders(GRPC_OK), FLAG.END_HEADERS | FLAG.END_STREAM),
]);

const input = fc.record({
  pieces: inPieces(
    fc.oneof(
      frames(GRPC_RESPONSE, messages).map((sent) => Buffer.concat([HELLO, sent])),
      damaged(fc.constant(AN_ANSWER)),
      bytes(200),
    ),
  ),
  hangsUp: fc.boolean(),
});

/** Whoever sits at the address of a runner, at a balancer. */
export const engageAtBalancer: FuzzTarget = {
  name: 'engage-at-balancer',
  async open(): Promise<OpenTarget> {
    let script: (connection: RawConnection) => Promise<void> = async () => undefined;
    const server = await startRawServer((connection) => script(connection));
    return {
      property: fc.asyncProperty(input, async ({ pieces, hangsUp }) => {
        script = async (connection) => {
          for (const piece of pieces) {
            connection.write(piece);
            await new Promise((resolve) => setImmediate(resolve));
          }
          if (hangsUp) connection.socket.end();
        };
        const runner = newGrpcRunner(server.address, { connectTimeoutMs: 1000 });
        const outcome = await within(
          ANSWER_MS,
          'an outcome',
          runner.tryCall(anOutboundCall(), AbortSignal.timeout(CALL_MS)),
        );
        if (outcome.kind === 'finished' && !outcome.report.success)
          throw new Error('finished, although the runner failed');
        await within(ANSWER_MS, 'the end of the runner', runner.close());
      }),
      async settled() {
        // The server's own half stays open until it closes it.
        const open = () => server.connections.filter((each) => !each.isClosed && !each.socket.readableEnded).length;
        for (let look = 0; open() > 0; look += 1) {
          if (look === 100) throw new Error(`${open()} connections are still open`);
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      },
      close: () => server.close(),
    };
  },
};
