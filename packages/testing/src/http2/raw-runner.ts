import { NOTHING_REPORTED } from '@fnfleet/protocol';
import { dataFrame, FLAG, FRAME, headersFrame, type RawFrame, settingsFrame } from './frames.js';
import { fromRunner, GRPC_OK, GRPC_RESPONSE } from './grpc.js';
import { literalHeaders } from './hpack.js';
import { type RawConnection, type RawConnectionOptions, type RawServer, startRawServer } from './raw-connection.js';

export interface RawRunnerOptions extends RawConnectionOptions {
  /** Sends the server preface, or something else instead. */
  readonly greets?: (connection: RawConnection) => void | Promise<void>;
  /** Answers an engagement. */
  readonly answers?: (connection: RawConnection, streamId: number) => void | Promise<void>;
}

export interface RawRunner extends RawServer {
  /** Makes it an ordinary runner of Fn for later connections and engagements. */
  behave(): void;
}

/** A runner that a test controls frame by frame, until it is made ordinary. */
export async function startRawRunner({ greets, answers, ...options }: RawRunnerOptions): Promise<RawRunner> {
  let behaves = false;
  const server = await startRawServer(async (connection) => {
    if (greets && !behaves) await greets(connection);
    else connection.write(settingsFrame());
    for (let seen = 0; ; seen += 1) {
      const { streamId } = await connection.until(() => connection.heads[seen], 'header block');
      const answer = answers && !behaves ? answers : answerOrdinarily;
      Promise.resolve(answer(connection, streamId)).catch(() => undefined); // the connection is over
    }
  }, options);
  return Object.assign(server, {
    behave() {
      behaves = true;
    },
  });
}

/** Reads the whole body, then answers `200 ordinary`. */
export async function answerOrdinarily(connection: RawConnection, streamId: number): Promise<void> {
  await connection.frame(endsBody(streamId));
  connection.write(
    headersFrame(streamId, literalHeaders(GRPC_RESPONSE)),
    dataFrame(streamId, ORDINARY_ANSWER),
    headersFrame(streamId, literalHeaders(GRPC_OK), FLAG.END_HEADERS | FLAG.END_STREAM),
  );
}

/** The last DATA of a stream. */
export function endsBody(streamId: number): (frame: RawFrame) => boolean {
  return (frame) => frame.type === FRAME.DATA && frame.streamId === streamId && (frame.flags & FLAG.END_STREAM) !== 0;
}

export const ORDINARY_ANSWER = fromRunner(
  { kind: 'resultStart', status: 200, headers: [['Content-Type', 'text/plain']] },
  { kind: 'data', data: Buffer.from('ordinary'), eof: false },
  { kind: 'finished', report: { ...NOTHING_REPORTED, success: true } },
);
