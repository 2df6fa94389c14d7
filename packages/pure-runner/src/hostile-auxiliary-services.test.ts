import { MIB } from '@fnfleet/core';
import {
  dataFrame,
  errorCodeOf,
  FLAG,
  FRAME,
  grpcMessage,
  grpcRequest,
  H2_ERROR,
  type HeaderLines,
  headersFrame,
  literalHeaders,
  type RawConnection,
  resetFrame,
} from '@fnfleet/testing';
import { HostileBed, lives } from './test-kit/hostile-bed.js';

/** What is served beside Engage, to peers that open much, hold it, or send odd headers. */

const WATCH = '/grpc.health.v1.Health/Watch';
const REFLECTION = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
const LOGS = '/RunnerProtocol/StreamLogs';
const STATUS = '/RunnerProtocol/Status';
const EMPTY = grpcMessage(Buffer.alloc(0));
/** `list_services: ""` */
const LIST_SERVICES = grpcMessage(Buffer.from([0x3a, 0x00]));

const request = (id: number, path: string, message: Buffer = EMPTY, extra: HeaderLines = [], end = true) =>
  Buffer.concat([
    headersFrame(id, literalHeaders(grpcRequest(path, extra))),
    dataFrame(id, message, end ? FLAG.END_STREAM : 0),
  ]);

/** `Status` on this very connection. */
async function status(peer: RawConnection, id: number): Promise<void> {
  peer.write(request(id, STATUS));
  const end = await peer.head(({ streamId, endStream }) => streamId === id && endStream);
  expect(end.headers['grpc-status']).toBe('0');
}

let bed: HostileBed;
let peer: RawConnection;
beforeAll(async () => {
  bed = await HostileBed.start();
});
afterAll(() => bed.close());
beforeEach(async () => {
  peer = await bed.client();
});
afterEach(async () => {
  peer.destroy();
  await bed.settle();
});

it.each`
  what            | path          | message
  ${'Watch'}      | ${WATCH}      | ${EMPTY}
  ${'reflection'} | ${REFLECTION} | ${LIST_SERVICES}
  ${'StreamLogs'} | ${LOGS}       | ${EMPTY}
  ${'Status'}     | ${STATUS}     | ${EMPTY}
`(
  'A7: 1 600 streams of $what, opened and reset: Status answers on this connection and on others',
  async ({ path, message }) => {
    for (let index = 0; index < 1_600; index += 1) {
      await peer.writeAll(request(2 * index + 1, path, message, [], false), resetFrame(2 * index + 1));
      if (index % 100 === 99) await lives.seen(peer);
    }
    await status(peer, 10_001);
    expect(await bed.heldBytes()).toBeLessThan(48 * MIB);
  },
);

it.each`
  what            | path          | message
  ${'Watch'}      | ${WATCH}      | ${EMPTY}
  ${'reflection'} | ${REFLECTION} | ${EMPTY}
  ${'StreamLogs'} | ${LOGS}       | ${Buffer.alloc(0)}
`(
  '2 000 streams of $what that stay open: Status answers on this connection and on others',
  async ({ path, message }) => {
    for (let index = 0; index < 2_000; index += 1) {
      await peer.writeAll(request(2 * index + 1, path, message, [], false));
      if (index % 100 === 99) await lives.seen(peer);
    }
    await bed.servesTheNextCall();
    await status(peer, 10_001);
    expect(await bed.heldBytes()).toBeLessThan(96 * MIB);
  },
);

it('20 000 reflection requests whose responses are not read: little is held, and others are answered', async () => {
  const deaf = await bed.client({ grantsWindow: false });
  deaf.write(headersFrame(1, literalHeaders(grpcRequest(REFLECTION))));
  await lives.seen(deaf);
  const batch = dataFrame(1, Buffer.concat(new Array<Buffer>(1_000).fill(LIST_SERVICES)));
  for (let index = 0; index < 20; index += 1) deaf.write(batch);
  await bed.servesTheNextCall();
  await status(peer, 1);
  expect(await bed.heldBytes()).toBeLessThan(48 * MIB);
  deaf.destroy();
});

it.each`
  what                                     | extra
  ${'http2-settings'}                      | ${[['http2-settings', 'AAMAAABkAAQCAAAAAAIAAAAA']]}
  ${'upgrade'}                             | ${[['upgrade', 'h2c']]}
  ${'connection'}                          | ${[['connection', 'upgrade']]}
  ${'keep-alive'}                          | ${[['keep-alive', 'timeout=5']]}
  ${'proxy-connection'}                    | ${[['proxy-connection', 'close']]}
  ${'transfer-encoding'}                   | ${[['transfer-encoding', 'chunked']]}
  ${'te with another value'}               | ${[['te', 'gzip']]}
  ${'host'}                                | ${[['host', 'elsewhere']]}
  ${'content-length with a wrong number'}  | ${[['content-length', '99']]}
  ${'content-length that is not a number'} | ${[['content-length', 'x']]}
  ${'two content types'}                   | ${[['content-type', 'application/grpc+proto']]}
  ${'a name with a space'}                 | ${[['a b', 'c']]}
  ${'an empty name'}                       | ${[['', 'c']]}
  ${'__proto__'}                           | ${[['__proto__', 'c'], ['constructor', 'd']]}
  ${'a value that is not UTF-8'}           | ${[['a', '\ufffd\u0000']]}
  ${'an unknown encoding'}                 | ${[['grpc-encoding', 'zip']]}
  ${'an invalid grpc-timeout'}             | ${[['grpc-timeout', '-1S']]}
  ${'a binary header that is not base64'}  | ${[['x-bin', '!!!']]}
  ${':status of a client'}                 | ${[[':status', '200']]}
  ${'200 cookies'}                         | ${Array.from({ length: 200 }, (_, index) => ['cookie', `a=${index}`])}
`('A10: header $what: a response or a reset, and the runner keeps serving', async ({ extra }) => {
  peer.write(request(1, STATUS, EMPTY, extra));
  const closed = peer.closed.then(() => 'closed');
  const answered = peer.head(({ streamId, endStream }) => streamId === 1 && endStream).then(() => 'answered');
  const reset = peer
    .frame(({ type, streamId }) => type === FRAME.RST_STREAM && streamId === 1)
    .then((frame) => expect(errorCodeOf(frame)).toBe(H2_ERROR.PROTOCOL_ERROR));
  await Promise.any([closed, answered, reset]);
});
