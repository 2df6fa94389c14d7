// takes: 10 s
import { MIB } from '@fnfleet/core';
import {
  dataFrame,
  ENGAGE_REQUEST,
  errorCodeOf,
  FLAG,
  FRAME,
  fromBalancer,
  goawayFrame,
  grpcMessage,
  grpcRequest,
  H2_ERROR,
  headersFrame,
  hpackInteger,
  hpackString,
  literalHeaders,
  pingFrame,
  type RawConnection,
  rawFrame,
  resetFrame,
  SETTING,
  settingsFrame,
  uint32,
  windowUpdateFrame,
} from '@fnfleet/testing';
import {
  type Answer,
  call,
  closed,
  either,
  goaway,
  HELLO,
  HostileBed,
  lives,
  reset,
  status,
} from './test-kit/hostile-bed.js';

/**
 * Balancers that break HTTP/2, gRPC or Engage, and peers that are none. Each row is one connection; after it a bystander, a
 * newcomer and what the runner holds are looked at.
 */

const MAX_STREAMS = 200;
/** Memory a runner may hold for one peer, whatever the peer does, bytes. */
const ONE_PEER_BYTES = 96 * MIB;

const engage = (id: number, end = false) =>
  headersFrame(id, literalHeaders(ENGAGE_REQUEST), FLAG.END_HEADERS | (end ? FLAG.END_STREAM : 0));
const offer = (id: number, image: string) => Buffer.concat([engage(id), dataFrame(id, call(image), FLAG.END_STREAM)]);
const say =
  (...bytes: Buffer[]) =>
  (peer: RawConnection) =>
    peer.writeAll(...bytes);
/** Engage, and these bytes as its DATA. */
const message = (...bytes: Buffer[]) => say(engage(1), dataFrame(1, Buffer.concat(bytes)));
/** A complete block on stream 1. */
const block = (...bytes: Buffer[]) => say(headersFrame(1, Buffer.concat(bytes)));

async function repeat(peer: RawConnection, times: number, bytes: (index: number) => Buffer): Promise<void> {
  for (let index = 0; index < times && !peer.isClosed; ) {
    const batch: Buffer[] = [];
    for (let size = 0; size < 64 * 1024 && index < times; index += 1) {
      const next = bytes(index);
      size += next.length;
      batch.push(next);
    }
    await peer.writeAll(...batch);
  }
}

/** Sends as long as the peer takes it, for two seconds at most: one that does not read must not keep the row. */
const flood = (times: number, bytes: (index: number) => Buffer) => async (peer: RawConnection) => {
  let timer: NodeJS.Timeout | undefined;
  const enough = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, 2_000);
  });
  await Promise.race([repeat(peer, times, bytes), enough]);
  clearTimeout(timer);
};

/** Takes nothing more from the connection: what it is sent piles up at the other end. */
const deaf = (send: (peer: RawConnection) => Promise<void>) => async (peer: RawConnection) => {
  await lives.seen(peer);
  peer.socket.pause();
  await send(peer);
};
const listens = (answer: Answer): Answer => ({
  name: answer.name,
  seen(peer) {
    peer.socket.resume();
    return answer.seen(peer);
  },
});

const streamIds = (count: number) => Array.from({ length: count }, (_, index) => 2 * index + 1);

interface Row {
  readonly sends: (peer: RawConnection) => void | Promise<void>;
  readonly answer: Answer;
}

const protocolError = goaway('PROTOCOL_ERROR');
const compressionError = goaway('COMPRESSION_ERROR');
const frameSizeError = goaway('FRAME_SIZE_ERROR');
/** Where HTTP/2 leaves it to the peer: what matters is that there is an end, and what is held until then. */
const settled = either('closed, or connection lives', closed, lives);
const malformed = either('PROTOCOL_ERROR', protocolError, reset(1, 'PROTOCOL_ERROR'));
const flowControl = either('FLOW_CONTROL_ERROR', goaway('FLOW_CONTROL_ERROR'), reset(1, 'FLOW_CONTROL_ERROR'));

let bed: HostileBed;
beforeAll(async () => {
  bed = await HostileBed.start({ maxStreams: MAX_STREAMS });
});
afterAll(() => bed.close());
afterEach(() => bed.settle());

async function play({ sends, answer }: Row, peer: RawConnection): Promise<void> {
  try {
    await sends(peer);
    await soon(answer.seen(peer), peer);
    expect(await bed.heldBytes()).toBeLessThan(ONE_PEER_BYTES);
  } finally {
    peer.destroy();
  }
}

/** Fails with what the peer received instead of the answer; jest alone would only report a timeout. */
async function soon(answer: Promise<unknown>, peer: RawConnection): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no such answer; ${peer.summary()}`)), 30_000);
  });
  await Promise.race([answer, late]).finally(() => clearTimeout(timer));
}

describe('bytes that are not HTTP/2', () => {
  it.each`
    what                                       | sends                                                                     | answer
    ${'an HTTP/1.1 request'}                   | ${say(Buffer.from('GET / HTTP/1.1\r\nHost: runner\r\n\r\n'))}             | ${closed}
    ${'a TLS ClientHello on a plaintext port'} | ${say(Buffer.from('160301020001000001fc0303', 'hex'), Buffer.alloc(600))} | ${closed}
    ${'garbage'}                               | ${say(Buffer.alloc(4096, 0xa5))}                                          | ${closed}
    ${'a preface with another first frame'}    | ${say(HELLO.subarray(0, 24), pingFrame())}                                | ${protocolError}
  `('$what: $answer.name', async (row: Row) => play(row, await bed.dial()));
});

describe('frames that violate HTTP/2', () => {
  it.each`
    what                                              | sends                                                                                  | answer
    ${'DATA on stream 0'}                             | ${say(dataFrame(0, Buffer.from('x')))}                                                 | ${protocolError}
    ${'HEADERS on stream 0'}                          | ${say(engage(0))}                                                                      | ${protocolError}
    ${'RST_STREAM on stream 0'}                       | ${say(resetFrame(0))}                                                                  | ${protocolError}
    ${'SETTINGS on a stream'}                         | ${say(rawFrame(FRAME.SETTINGS, 0, 1))}                                                 | ${protocolError}
    ${'PING on a stream'}                             | ${say(rawFrame(FRAME.PING, 0, 1, Buffer.alloc(8)))}                                    | ${protocolError}
    ${'GOAWAY on a stream'}                           | ${say(rawFrame(FRAME.GOAWAY, 0, 1, Buffer.alloc(8)))}                                  | ${protocolError}
    ${'CONTINUATION without HEADERS'}                 | ${say(rawFrame(FRAME.CONTINUATION, FLAG.END_HEADERS, 1))}                              | ${protocolError}
    ${'a frame between HEADERS and its CONTINUATION'} | ${say(headersFrame(1, literalHeaders(ENGAGE_REQUEST), 0), pingFrame())}                | ${protocolError}
    ${'a stream with an even number'}                 | ${say(engage(2))}                                                                      | ${protocolError}
    ${'a stream with a lower number than the last'}   | ${say(offer(5, 'echo'), engage(3))}                                                    | ${goaway('PROTOCOL_ERROR', 'STREAM_CLOSED')}
    ${'PUSH_PROMISE of a client'}                     | ${say(offer(1, 'held'), rawFrame(FRAME.PUSH_PROMISE, FLAG.END_HEADERS, 1, uint32(2)))} | ${protocolError}
    ${'DATA on a stream that was never opened'}       | ${say(dataFrame(1, Buffer.from('x')))}                                                 | ${protocolError}
    ${'RST_STREAM on such a stream'}                  | ${say(resetFrame(1))}                                                                  | ${protocolError}
    ${'WINDOW_UPDATE on such a stream'}               | ${say(windowUpdateFrame(1, 1))}                                                        | ${protocolError}
    ${'DATA after the end of the stream'}             | ${say(offer(1, 'held'), dataFrame(1, Buffer.from('x')))}                               | ${either('STREAM_CLOSED', goaway('STREAM_CLOSED'), reset(1, 'STREAM_CLOSED'))}
    ${'HEADERS after the end of the stream'}          | ${say(offer(1, 'held'), engage(1))}                                                    | ${either('STREAM_CLOSED', goaway('STREAM_CLOSED', 'PROTOCOL_ERROR'), reset(1, 'STREAM_CLOSED'))}
    ${'more padding than the frame has bytes'}        | ${say(engage(1), rawFrame(FRAME.DATA, FLAG.PADDED, 1, Buffer.from([9, 1])))}           | ${protocolError}
    ${'a frame larger than allowed'}                  | ${say(engage(1), dataFrame(1, Buffer.alloc(16_385)))}                                  | ${frameSizeError}
    ${'a frame header that announces 16 MiB'}         | ${say(engage(1), Buffer.from('ffffff000000000001', 'hex'))}                            | ${frameSizeError}
    ${'a PING of 7 bytes'}                            | ${say(rawFrame(FRAME.PING, 0, 0, Buffer.alloc(7)))}                                    | ${frameSizeError}
    ${'a RST_STREAM of 3 bytes'}                      | ${say(engage(1), rawFrame(FRAME.RST_STREAM, 0, 1, Buffer.alloc(3)))}                   | ${frameSizeError}
    ${'a WINDOW_UPDATE of 5 bytes'}                   | ${say(rawFrame(FRAME.WINDOW_UPDATE, 0, 0, Buffer.alloc(5)))}                           | ${frameSizeError}
    ${'SETTINGS of 5 bytes'}                          | ${say(rawFrame(FRAME.SETTINGS, 0, 0, Buffer.alloc(5)))}                                | ${frameSizeError}
    ${'a SETTINGS acknowledgement with content'}      | ${say(rawFrame(FRAME.SETTINGS, FLAG.ACK, 0, Buffer.alloc(6)))}                         | ${frameSizeError}
    ${'ENABLE_PUSH of 2'}                             | ${say(settingsFrame([[SETTING.ENABLE_PUSH, 2]]))}                                      | ${protocolError}
    ${'a window of 2 GiB'}                            | ${say(settingsFrame([[SETTING.INITIAL_WINDOW_SIZE, 2 ** 31]]))}                        | ${goaway('FLOW_CONTROL_ERROR')}
    ${'a frame size of 1'}                            | ${say(settingsFrame([[SETTING.MAX_FRAME_SIZE, 1]]))}                                   | ${protocolError}
    ${'unknown settings'}                             | ${say(settingsFrame([[0xabcd, 1]]))}                                                   | ${lives}
    ${'a frame of an unknown type'}                   | ${say(rawFrame(0xfa, 0xff, 0, Buffer.alloc(100)))}                                     | ${lives}
    ${'GOAWAY, and a stream after it'}                | ${say(goawayFrame(0, H2_ERROR.NO_ERROR), offer(1, 'echo'))}                            | ${settled}
    ${'GOAWAY with an error'}                         | ${say(offer(1, 'held'), goawayFrame(0, H2_ERROR.INTERNAL_ERROR))}                      | ${settled}
  `('$what: $answer.name', async (row: Row) => play(row, await bed.client()));
});

describe('header blocks', () => {
  const bomb = Buffer.concat([
    Buffer.from([0x40]),
    hpackString('x'),
    hpackString('y'.repeat(4000)),
    Buffer.alloc(12_000, 0x80 | 62),
  ]);
  const head = (bytes: number) => literalHeaders([...ENGAGE_REQUEST, ['x', 'y'.repeat(bytes)]]);
  /** A block in frames of the size that is allowed. */
  const inFrames = (whole: Buffer) => {
    const frames: Buffer[] = [];
    for (let at = 0; at < whole.length; at += 16_384) {
      const part = whole.subarray(at, at + 16_384);
      const flags = at + 16_384 >= whole.length ? FLAG.END_HEADERS : 0;
      frames.push(at === 0 ? headersFrame(1, part, flags) : rawFrame(FRAME.CONTINUATION, flags, 1, part));
    }
    return Buffer.concat(frames);
  };
  const refused = either('refused', status(1, 8), reset(1, 'ENHANCE_YOUR_CALM', 'REFUSED_STREAM'), closed, {
    name: 'HTTP status 431',
    seen: (peer) => peer.head(({ headers }) => headers[':status'] === '431'),
  });

  it.each`
    what                                                 | sends                                                                                                                                           | answer
    ${'an index of 0'}                                   | ${block(Buffer.from([0x80]))}                                                                                                                   | ${compressionError}
    ${'an index beyond the table'}                       | ${block(Buffer.from([0x80 | 70]))}                                                                                                              | ${compressionError}
    ${'an endless integer'}                              | ${block(Buffer.alloc(64, 0xff))}                                                                                                                | ${compressionError}
    ${'a truncated string'}                              | ${block(Buffer.from([0x00, 0x05, 0x61]))}                                                                                                       | ${compressionError}
    ${'a string length of 4 GiB'}                        | ${block(Buffer.from([0x00]), hpackInteger(2 ** 32 - 1, 7))}                                                                                     | ${compressionError}
    ${'Huffman coding with the EOS symbol'}              | ${block(Buffer.from([0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 0x00]))}                                                                               | ${compressionError}
    ${'Huffman coding with 8 bits of padding'}           | ${block(Buffer.from([0x00, 0x82, 0x1f, 0xff, 0x00]))}                                                                                           | ${compressionError}
    ${'a table larger than allowed'}                     | ${block(hpackInteger(2 ** 30, 5, 0x20))}                                                                                                        | ${compressionError}
    ${'a table size update after the first header'}      | ${block(literalHeaders(ENGAGE_REQUEST), hpackInteger(0, 5, 0x20))}                                                                              | ${compressionError}
    ${'10 000 table size updates'}                       | ${say(headersFrame(1, Buffer.concat([Buffer.alloc(10_000, 0x20), literalHeaders(ENGAGE_REQUEST)])))}                                            | ${either('COMPRESSION_ERROR, or nothing', compressionError, lives)}
    ${'12 000 references that expand a header to 48 MB'} | ${block(bomb)}                                                                                                                                  | ${refused}
    ${'the same on 200 streams'}                         | ${flood(200, (index) => headersFrame(2 * index + 1, bomb))}                                                                                     | ${settled}
    ${'a head of 100 KB'}                                | ${say(inFrames(head(100_000)))}                                                                                                                 | ${refused}
    ${'a head of 1 MB'}                                  | ${say(inFrames(head(1_000_000)))}                                                                                                               | ${refused}
    ${'10 000 headers'}                                  | ${say(inFrames(literalHeaders(Array.from({ length: 10_000 }, () => ['a', 'b']))))}                                                              | ${refused}
    ${'64 MiB of CONTINUATION'}                          | ${flood(4096, (index) => (index === 0 ? headersFrame(1, Buffer.alloc(0), 0) : rawFrame(FRAME.CONTINUATION, 0, 1, Buffer.alloc(16_384, 0x20))))} | ${closed}
    ${'100 000 empty CONTINUATION frames'}               | ${flood(100_000, (index) => (index === 0 ? headersFrame(1, Buffer.alloc(0), 0) : rawFrame(FRAME.CONTINUATION, 0, 1)))}                          | ${closed}
    ${'no method'}                                       | ${block(literalHeaders(ENGAGE_REQUEST.filter(([name]) => name !== ':method')))}                                                                 | ${malformed}
    ${'two paths'}                                       | ${block(literalHeaders([[':path', '/a'], ...ENGAGE_REQUEST]))}                                                                                  | ${malformed}
    ${'a pseudo header after an ordinary one'}           | ${block(literalHeaders([['a', 'b'], ...ENGAGE_REQUEST]))}                                                                                       | ${malformed}
    ${'a header name in upper case'}                     | ${block(literalHeaders([...ENGAGE_REQUEST, ['X-A', 'b']]))}                                                                                     | ${malformed}
    ${'CR LF in a value'}                                | ${block(literalHeaders([...ENGAGE_REQUEST, ['a', 'b\r\nc: d']]))}                                                                               | ${malformed}
    ${'a connection-specific header'}                    | ${block(literalHeaders([...ENGAGE_REQUEST, ['connection', 'close']]))}                                                                          | ${malformed}
    ${'a method other than POST'}                        | ${block(literalHeaders([[':method', 'GET'], ...ENGAGE_REQUEST.slice(1)]))}                                                                      | ${either('refused', lives, malformed)}
    ${'CONNECT'} | ${block(literalHeaders([[':method', 'CONNECT'], [':authority', 'a:1']]))} | ${either('refused', lives, malformed)}
  `('$what: $answer.name', async (row: Row) => play(row, await bed.client()));
});

describe('windows', () => {
  const update = windowUpdateFrame;
  it.each`
    what                                           | sends                                                                                                  | answer
    ${'a connection window increment of 0'}        | ${say(update(0, 0))}                                                                                   | ${protocolError}
    ${'a stream window increment of 0'}            | ${say(offer(1, 'held'), update(1, 0))}                                                                 | ${malformed}
    ${'a connection window beyond 2 GiB'}          | ${say(update(0, 2 ** 31 - 1))}                                                                         | ${goaway('FLOW_CONTROL_ERROR')}
    ${'a stream window beyond 2 GiB'}              | ${say(offer(1, 'held'), update(1, 2 ** 31 - 1))}                                                       | ${flowControl}
    ${'SETTINGS that raise a window beyond 2 GiB'} | ${say(offer(1, 'held'), update(1, 1000), settingsFrame([[SETTING.INITIAL_WINDOW_SIZE, 2 ** 31 - 1]]))} | ${flowControl}
    ${'4 MiB to a function that reads nothing'} | ${async (peer: RawConnection) => {
  await peer.writeAll(engage(1), dataFrame(1, call('stuck', {}, false)));
  await repeat(peer, 256, () => dataFrame(1, fromBalancer({ kind: 'data', data: Buffer.alloc(10_240), eof: false })));
}} | ${flowControl}
    ${'100 000 WINDOW_UPDATE of 1'}                | ${flood(100_000, () => update(0, 1))}                                                                  | ${settled}
  `('$what: $answer.name', async (row: Row) => play(row, await bed.client()));

  it('a zero window with 10 MiB pending on 50 streams: little is held', async () => {
    const peer = await bed.client({ settings: [[SETTING.INITIAL_WINDOW_SIZE, 0]] });
    for (const id of streamIds(50)) peer.write(offer(id, 'big'));
    await peer.head(({ streamId }) => streamId === 99);
    await lives.seen(peer);
    expect(await bed.heldBytes()).toBeLessThan(ONE_PEER_BYTES);
    peer.destroy();
  });

  it('large windows, and a peer that reads nothing of 50 responses of 10 MiB: little is held', async () => {
    const peer = await bed.client({ settings: [[SETTING.INITIAL_WINDOW_SIZE, 2 ** 31 - 1]] });
    peer.write(windowUpdateFrame(0, 2 ** 30));
    await lives.seen(peer);
    peer.socket.pause();
    for (const id of streamIds(50)) peer.write(offer(id, 'big'));
    await bed.servesTheNextCall();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await bed.heldBytes()).toBeLessThan(ONE_PEER_BYTES);
    peer.destroy();
  });
});

describe('floods', () => {
  it.each`
    what                                                            | sends                                                                                                                       | answer
    ${'100 000 SETTINGS'}                                           | ${flood(100_000, () => settingsFrame())}                                                                                    | ${settled}
    ${'100 000 SETTINGS to a peer that reads nothing'}              | ${deaf(flood(100_000, () => settingsFrame()))}                                                                              | ${listens(settled)}
    ${'100 000 PINGs'}                                              | ${flood(100_000, () => pingFrame())}                                                                                        | ${settled}
    ${'500 000 PINGs whose answers are not read'}                   | ${deaf(flood(500_000, () => pingFrame()))}                                                                                  | ${listens(settled)}
    ${'100 000 PRIORITY'}                                           | ${flood(100_000, (index) => rawFrame(FRAME.PRIORITY, 0, 2 * index + 1, Buffer.alloc(5)))}                                   | ${settled}
    ${'100 000 empty DATA'} | ${async (peer: RawConnection) => {
  await peer.writeAll(engage(1));
  await flood(100_000, () => dataFrame(1, Buffer.alloc(0)))(peer);
}} | ${settled}
    ${'100 000 frames of an unknown type'}                          | ${flood(100_000, () => rawFrame(0xfa, 0, 0))}                                                                               | ${settled}
    ${'10 000 streams opened and reset'}                            | ${flood(10_000, (index) => Buffer.concat([engage(2 * index + 1), resetFrame(2 * index + 1)]))}                              | ${settled}
    ${'2 000 calls offered and reset'}                              | ${flood(2_000, (index) => Buffer.concat([offer(2 * index + 1, 'echo'), resetFrame(2 * index + 1)]))}                        | ${settled}
    ${'10 000 streams that the runner resets for an invalid frame'} | ${flood(10_000, (index) => Buffer.concat([engage(2 * index + 1), windowUpdateFrame(2 * index + 1, 0)]))}                    | ${settled}
    ${'10 000 streams with half a message'}                         | ${flood(10_000, (index) => Buffer.concat([engage(2 * index + 1), dataFrame(2 * index + 1, Buffer.from([0, 0, 0, 4, 0]))]))} | ${settled}
  `('$what: $answer.name', async (row: Row) => play(row, await bed.client()));
});

describe('streams', () => {
  it('the maximum of silent streams: further ones are refused, the others wait', async () => {
    const peer = await bed.client();
    for (const id of streamIds(MAX_STREAMS + 10)) peer.write(engage(id));
    const last = 2 * (MAX_STREAMS + 10) - 1;
    const frame = await peer.frame(({ type, streamId }) => type === FRAME.RST_STREAM && streamId === last);
    expect(errorCodeOf(frame)).toBe(H2_ERROR.REFUSED_STREAM);
    await lives.seen(peer);
    peer.destroy();
  });

  it('A2: 240 callers that abandon a response of 10 MiB: the same connection keeps serving', async () => {
    const peer = await bed.client({ settings: [[SETTING.INITIAL_WINDOW_SIZE, 2 ** 20]], grantsWindow: false });
    peer.write(windowUpdateFrame(0, 2 ** 30));
    for (let index = 0; index < 240; index += 20) {
      const ids = streamIds(20).map((id) => id + 2 * index);
      for (const id of ids) peer.write(offer(id, 'big'));
      for (const id of ids) await peer.frame(({ type, streamId }) => type === FRAME.DATA && streamId === id);
      for (const id of ids) peer.write(resetFrame(id));
    }
    peer.write(offer(1001, 'echo'));
    const end = await peer.head(({ streamId, endStream }) => streamId === 1001 && endStream);
    expect(end.headers['grpc-status']).toBe('0');
    expect(await bed.heldBytes()).toBeLessThan(ONE_PEER_BYTES);
    peer.destroy();
  });

  it('A2: the same when the peer has not read a byte of them', async () => {
    const peer = await bed.client({ settings: [[SETTING.INITIAL_WINDOW_SIZE, 2 ** 31 - 1]], grantsWindow: false });
    peer.write(windowUpdateFrame(0, 2 ** 30));
    await lives.seen(peer);
    for (let index = 0; index < 240; index += 20) {
      const ids = streamIds(20).map((id) => id + 2 * index);
      peer.socket.pause();
      for (const id of ids) peer.write(offer(id, 'big'));
      await bed.servesTheNextCall();
      for (const id of ids) peer.write(resetFrame(id));
      peer.socket.resume();
    }
    peer.write(offer(1001, 'echo'));
    const end = await peer.head(({ streamId, endStream }) => streamId === 1001 && endStream);
    expect(end.headers['grpc-status']).toBe('0');
    expect(await bed.heldBytes()).toBeLessThan(ONE_PEER_BYTES);
    peer.destroy();
  });

  it('2 000 connections that only complete the handshake: the next one is served', async () => {
    const peers: RawConnection[] = [];
    for (let index = 0; index < 2_000; index += 1) peers.push(await bed.client());
    await bed.servesTheNextCall();
    expect(await bed.heldBytes()).toBeLessThan(2 * ONE_PEER_BYTES);
    for (const peer of peers) peer.destroy();
  });
});

describe('messages', () => {
  const trying = (image: string, model = {}) => call(image, model);
  const longConfig = { config: { BIG: 'x'.repeat(5 * MIB) } };
  const inData = (bytes: Buffer) => async (peer: RawConnection) => {
    await peer.writeAll(engage(1));
    for (let at = 0; at < bytes.length && !peer.isClosed; at += 16_384) {
      await peer.writeAll(dataFrame(1, bytes.subarray(at, at + 16_384)));
      await lives.seen(peer);
    }
  };

  it.each`
    what                                                  | sends                                                                                                                                                           | answer
    ${'a message length of 4 GiB'}                        | ${message(Buffer.from([0, 0xff, 0xff, 0xff, 0xff]))}                                                                                                            | ${status(1, 0, 8)}
    ${'a compressed message'}                             | ${message(Buffer.from([1, 0, 0, 0, 1, 0]))}                                                                                                                     | ${status(1, 8, 12, 13)}
    ${'garbage instead of a message'}                     | ${message(grpcMessage(Buffer.alloc(64, 0xff)))}                                                                                                                 | ${status(1, 13)}
    ${'a nested length beyond the message'}               | ${message(grpcMessage(Buffer.from([0x0a, 0xff, 0xff, 0x7f])))}                                                                                                  | ${status(1, 13)}
    ${'nested groups'}                                    | ${message(grpcMessage(Buffer.alloc(16_000, 0x0b)))}                                                                                                             | ${status(1, 2, 13)}
    ${'an empty message'}                                 | ${message(grpcMessage(Buffer.alloc(0)))}                                                                                                                        | ${status(1, 2)}
    ${'data before try'}                                  | ${message(fromBalancer({ kind: 'data', data: Buffer.from('x'), eof: true }))}                                                                                   | ${status(1, 2)}
    ${'try twice'}                                        | ${message(fromBalancer({ kind: 'try', callJson: '{}', slotHash: '', extensions: {} }, { kind: 'try', callJson: '{}', slotHash: '', extensions: {} }))}          | ${status(1, 0, 2)}
    ${'the end of the stream before try'}                 | ${say(engage(1, true))}                                                                                                                                         | ${status(1, 2)}
    ${'the end of the stream before the end of the body'} | ${say(engage(1), dataFrame(1, fromBalancer({ kind: 'try', callJson: '{}', slotHash: '', extensions: {} }), FLAG.END_STREAM))}                                   | ${status(1, 0, 2)}
    ${'a call that is not JSON'}                          | ${message(fromBalancer({ kind: 'try', callJson: '{'.repeat(10_000), slotHash: '', extensions: {} }))}                                                           | ${status(1, 0)}
    ${'an invalid slot hash'}                             | ${message(fromBalancer({ kind: 'try', callJson: '{}', slotHash: 'zz', extensions: {} }))}                                                                       | ${status(1, 0)}
    ${'trailers instead of a last message'}               | ${say(offer(1, 'held').subarray(0, -call('held').length - 9), headersFrame(1, literalHeaders([['a', 'b']]), FLAG.END_HEADERS | FLAG.END_STREAM))}               | ${status(1, 2)}
    ${'a configuration of 5 MiB'}                         | ${inData(trying('echo', longConfig))}                                                                                                                           | ${status(1, 0, 8)}
    ${'an invalid grpc-timeout'}                          | ${say(headersFrame(1, literalHeaders([...ENGAGE_REQUEST, ['grpc-timeout', 'soon']])), dataFrame(1, trying('echo'), FLAG.END_STREAM))}                           | ${status(1, 0)}
    ${'a grpc-timeout of 0'}                              | ${say(headersFrame(1, literalHeaders([...ENGAGE_REQUEST, ['grpc-timeout', '0n']])), dataFrame(1, trying('echo'), FLAG.END_STREAM))}                             | ${status(1, 0, 4)}
    ${'a grpc-timeout of centuries'}                      | ${say(headersFrame(1, literalHeaders([...ENGAGE_REQUEST, ['grpc-timeout', '99999999H']])), dataFrame(1, trying('echo'), FLAG.END_STREAM))}                      | ${status(1, 0)}
    ${'a trace header with garbage'}                      | ${say(headersFrame(1, literalHeaders([...ENGAGE_REQUEST, ['grpc-trace-bin', '!!!'], ['traceparent', '00-x']])), dataFrame(1, trying('echo'), FLAG.END_STREAM))} | ${status(1, 0)}
    ${'another content type'}                             | ${block(literalHeaders(ENGAGE_REQUEST.map(([name, value]) => [name, name === 'content-type' ? 'text/html' : value])))}                                          | ${lives}
    ${'an unknown method'}                                | ${block(literalHeaders(grpcRequest('/RunnerProtocol/Nothing')))}                                                                                                | ${status(1, 12)}
    ${'a path of 10 KB'}                                  | ${block(literalHeaders(grpcRequest(`/${'x'.repeat(10_000)}`)))}                                                                                                 | ${status(1, 12)}
  `('$what: $answer.name', async (row: Row) => play(row, await bed.client()));
});
