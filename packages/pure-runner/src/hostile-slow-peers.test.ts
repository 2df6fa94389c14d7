// takes: 23 s
import {
  dataFrame,
  ENGAGE_REQUEST,
  eventually,
  FLAG,
  goawayFrame,
  H2_ERROR,
  headersFrame,
  literalHeaders,
  PREFACE,
  RawConnection,
  SETTING,
  settingsFrame,
  windowUpdateFrame,
} from '@fnfleet/testing';
import { call, HELLO, HostileBed, lives } from './test-kit/hostile-bed.js';
import { RunnerProcess } from './test-kit/runner-process.js';

/** Peers that send too little or too slowly, or vanish without closing. Each connection must be closed in bounded time. */

const KEEPALIVE_TIMEOUT_MS = 800;

const open = headersFrame(1, literalHeaders(ENGAGE_REQUEST));
const heldCall = Buffer.concat([open, dataFrame(1, call('held'), FLAG.END_STREAM)]);
const bigCall = Buffer.concat([open, dataFrame(1, call('big'), FLAG.END_STREAM)]);
const SILENT = { answersPings: false, acknowledges: false, grantsWindow: false };

/** These bytes one at a time, closer together than what counts as silence, but eleven seconds in all. */
async function slowly(bytes: Buffer, peer: RawConnection): Promise<void> {
  for (let at = 0; at < bytes.length - 1 && !peer.isClosed; at += 1) {
    peer.write(bytes.subarray(at, at + 1));
    await Promise.race([peer.closed, new Promise((resolve) => setTimeout(resolve, 500))]);
  }
  expect(peer.isClosed).toBe(true);
}
const say =
  (...bytes: Buffer[]) =>
  async (peer: RawConnection) =>
    void peer.write(...bytes);

let bed: HostileBed;
beforeAll(async () => {
  bed = await HostileBed.start({ keepaliveTimeoutMs: KEEPALIVE_TIMEOUT_MS });
});
afterAll(() => bed.close());
afterEach(() => bed.settle());

it.each`
  what                                    | sends
  ${'no preface'}                         | ${say()}
  ${'half a preface'}                     | ${say(PREFACE.subarray(0, 10))}
  ${'a preface, then nothing'}            | ${say(PREFACE)}
  ${'preface and SETTINGS, then nothing'} | ${say(HELLO)}
  ${'a call, then nothing'}               | ${say(HELLO, heldCall)}
  ${'half a frame'}                       | ${say(HELLO, open.subarray(0, 20))}
  ${'HEADERS without an end'}             | ${say(HELLO, headersFrame(1, literalHeaders(ENGAGE_REQUEST), 0))}
  ${'a response of 10 MiB that is not read'} | ${async (peer: RawConnection) => {
  peer.socket.pause();
  peer.write(PREFACE, settingsFrame([[SETTING.INITIAL_WINDOW_SIZE, 2 ** 30]]), windowUpdateFrame(0, 2 ** 30), bigCall);
}}
`('$what: the connection is closed, and its calls end', async ({ sends }) => {
  const peer = await bed.dial(SILENT);
  void sends(peer);
  await eventually(async () => expect((await bed.runner.holdings()).engagements).toBeLessThanOrEqual(1));
  peer.socket.resume();
  await peer.closed;
});

describe('a connection that is half closed', () => {
  const cut = (peer: RawConnection) => peer.socket.end();
  it.each`
    what                                          | sends
    ${'a peer that closes its half'}              | ${(peer: RawConnection) => cut(peer)}
    ${'a peer that closes its half, with a call'} | ${(peer: RawConnection) => peer.write(heldCall) && cut(peer)}
    ${'GOAWAY with a call, then nothing'}         | ${(peer: RawConnection) => peer.write(heldCall, goawayFrame(0, H2_ERROR.NO_ERROR))}
    ${'GOAWAY with an error, then nothing'}       | ${(peer: RawConnection) => peer.write(heldCall, goawayFrame(0, H2_ERROR.INTERNAL_ERROR))}
    ${'an invalid frame, then nothing'}           | ${(peer: RawConnection) => peer.write(heldCall, dataFrame(0, Buffer.from('x')))}
    ${'an invalid frame, and a response of 10 MiB that is not read'} | ${(peer: RawConnection) => {
  peer.write(settingsFrame([[SETTING.INITIAL_WINDOW_SIZE, 2 ** 30]]), windowUpdateFrame(0, 2 ** 30), bigCall);
  setTimeout(() => peer.write(dataFrame(0, Buffer.from('x'))), 200);
}}
    ${'GOAWAY, and a response of 10 MiB that is not read'} | ${(peer: RawConnection) => {
  peer.write(settingsFrame([[SETTING.INITIAL_WINDOW_SIZE, 2 ** 30]]), windowUpdateFrame(0, 2 ** 30), bigCall);
  setTimeout(() => peer.write(goawayFrame(0, H2_ERROR.INTERNAL_ERROR)), 200);
}}
  `('A15: $what: the connection is closed, and its calls end', async ({ sends }) => {
    // On a busy machine one may count as lost before it has seen that it lives.
    const peer = await eventually(async () => {
      const made = await bed.dial({ ...SILENT, allowHalfOpen: true });
      made.write(HELLO);
      await lives.seen(made);
      return made;
    });
    peer.socket.pause();
    sends(peer);
    await eventually(async () => {
      // The bystander is connected.
      await bed.serveBystander();
      const { engagements, sockets } = await bed.runner.holdings();
      expect([engagements, sockets]).toEqual([0, 1]);
    });
  });
});

describe('peers that never complete a handshake', () => {
  let secure: RunnerProcess;
  beforeAll(async () => {
    secure = await RunnerProcess.start({ tls: true });
  });
  afterAll(() => secure.close());

  it('endless TLS handshakes, plain HTTP/2 to a TLS port and a preface sent byte by byte are all closed', async () => {
    const before = await secure.holdings();
    const dial = (port: number) => RawConnection.dial(port, SILENT);
    const many = (port: number) => Promise.all(Array.from({ length: 50 }, () => dial(port)));
    const silent = await many(secure.port);
    const halfway = await many(secure.port);
    const plain = await many(secure.port);
    const slow = await bed.dial(SILENT);
    for (const peer of halfway) peer.write(Buffer.from('1603010200010001fc0303', 'hex'));
    for (const peer of plain) peer.write(HELLO);
    await Promise.all([slowly(PREFACE, slow), ...[...silent, ...halfway, ...plain].map((peer) => peer.closed)]);
    await eventually(async () => {
      const { sockets, errors, timers } = await secure.holdings();
      expect([sockets, errors]).toEqual([before.sockets, []]);
      expect(timers).toBeLessThanOrEqual(before.timers);
    });
  });
});
