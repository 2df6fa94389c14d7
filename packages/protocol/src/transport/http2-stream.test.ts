import { encodeField, encodeHeaders } from './hpack/encoder.js';
import { frame, type RawFrame, uint32 } from './test-kit/frames.js';
import { StreamEvents, Wired } from './test-kit/wired.js';
import { FLAG, FRAME, H2_ERROR, SETTING } from './wire.js';

const REQUEST = encodeHeaders([
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/x'],
]);
const ANSWER = encodeHeaders([[':status', '200']]);
const TRAILERS = encodeHeaders([['grpc-status', '0']]);
const ENDS = FLAG.END_HEADERS | FLAG.END_STREAM;
const WINDOW = 65_535;

const headers = (stream: number, block = REQUEST, flags: number = FLAG.END_HEADERS) =>
  frame(FRAME.HEADERS, flags, stream, block);
const data = (stream: number, bytes: Buffer | string, flags = 0) =>
  frame(FRAME.DATA, flags, stream, Buffer.from(bytes));
const windowUpdate = (stream: number, bytes: number) => frame(FRAME.WINDOW_UPDATE, 0, stream, uint32(bytes));
const dataIn = (frames: RawFrame[]) => frames.filter(({ type }) => type === FRAME.DATA);
const grants = (frames: RawFrame[]) =>
  frames
    .filter(({ type }) => type === FRAME.WINDOW_UPDATE)
    .map(({ stream, payload }) => [stream, payload.readUInt32BE(0)]);

async function asked(connectionWindowBytes = 10_000_000) {
  const client = await Wired.ready('client', { connectionWindowBytes });
  const received = new StreamEvents();
  const stream = client.connection.request(REQUEST, received);
  await client.turn();
  client.say(headers(1, ANSWER));
  client.news();
  return { client, received, stream };
}

describe('window updates', () => {
  it('of a stream: as much again as was read, once that is half', async () => {
    const { client } = await asked();
    client.say(data(1, Buffer.alloc(16_384)), data(1, Buffer.alloc(16_383)));
    await client.turn();
    expect(grants(client.news())).toEqual([]);
    client.say(data(1, 'x'));
    await client.turn();
    expect(grants(client.news())).toEqual([[1, 32_768]]);
    client.say(data(1, 'x'));
    await client.turn();
    expect(grants(client.news())).toEqual([]);
  });

  it('of the connection: the same, over all streams, including those that are gone', async () => {
    const { client } = await asked(200_000);
    client.connection.request(REQUEST, new StreamEvents());
    await client.turn();
    client.news();
    client.say(headers(3, ANSWER), data(1, Buffer.alloc(16_000)));
    client.say(...[1, 2, 3].map(() => data(3, Buffer.alloc(16_000))), frame(FRAME.RST_STREAM, 0, 3, uint32(8)));
    client.say(data(3, Buffer.alloc(16_000)), data(3, Buffer.alloc(16_000)));
    await client.turn();
    expect(grants(client.news())).toEqual([[3, 48_000]]);
    client.say(data(3, Buffer.alloc(4000)));
    await client.turn();
    expect(grants(client.news())).toEqual([[0, 100_000]]);
  });

  it('data buffered while a stream is paused is granted again when it is read', async () => {
    const { client, stream } = await asked();
    stream.pause();
    client.say(...[1, 2, 3].map(() => data(1, Buffer.alloc(16_000))));
    await client.turn();
    expect(grants(client.news())).toEqual([]);
    stream.resume();
    await client.turn();
    expect(grants(client.news())).toEqual([[1, 48_000]]);
  });

  it('padding counts, and is granted again although the stream is paused', async () => {
    const { client, stream, received } = await asked();
    stream.pause();
    const padded = frame(FRAME.DATA, FLAG.PADDED, 1, Buffer.concat([Buffer.from([255]), Buffer.alloc(255)]));
    for (let i = 0; i < 128; i += 1) client.say(padded);
    await client.turn();
    expect([grants(client.news()), received.parts]).toEqual([[[1, 32_768]], []]);
  });

  it('there are none for a stream that the peer has ended', async () => {
    const { client, received } = await asked();
    client.say(data(1, Buffer.alloc(16_384)), data(1, Buffer.alloc(16_384), FLAG.END_STREAM));
    await client.turn();
    expect([grants(client.news()), received.ended]).toEqual([[], true]);
  });

  it.each`
    what                      | bytes         | resets
    ${'filled to the byte'}   | ${WINDOW}     | ${[]}
    ${'exceeded by one byte'} | ${WINDOW + 1} | ${[H2_ERROR.FLOW_CONTROL_ERROR]}
  `('one that is $what: resets $resets', async ({ bytes, resets }) => {
    const { client, stream } = await asked();
    stream.pause();
    for (let at = 0; at < bytes; at += 16_384) client.say(data(1, Buffer.alloc(Math.min(16_384, bytes - at))));
    await client.turn();
    const codes = client.news().filter(({ type }) => type === FRAME.RST_STREAM);
    expect(codes.map(({ payload }) => payload.readUInt32BE(0))).toEqual(resets);
  });
});

describe('sent data', () => {
  it('a head larger than a frame continues in the next ones, and only the last ends it', async () => {
    const server = await Wired.ready('server');
    server.say(headers(1, REQUEST, ENDS));
    const large = Buffer.concat([ANSWER, ...Array.from({ length: 10 }, () => encodeField('x', 'y'.repeat(4000)))]);
    server.opened[0]?.stream.sendHeaders(large, true);
    await server.turn();
    const frames = server.news();
    expect(frames.map(({ type, flags, payload }) => [type, flags, payload.length])).toEqual([
      [FRAME.HEADERS, FLAG.END_STREAM, 16_384],
      [FRAME.CONTINUATION, 0, 16_384],
      [FRAME.CONTINUATION, FLAG.END_HEADERS, large.length - 2 * 16_384],
    ]);
    expect(Buffer.concat(frames.map(({ payload }) => payload)).equals(large)).toBe(true);
    expect(server.connection.openStreams).toBe(0);
  });

  it('streams with waiting data take turns, a frame each, and no more is queued than the socket soon accepts', async () => {
    const client = await Wired.ready('client');
    client.say(
      windowUpdate(0, 10_000_000),
      frame(FRAME.SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, SETTING.INITIAL_WINDOW_SIZE]), uint32(1_000_000)])),
    );
    await client.turn();
    client.news();
    client.socket.open = false;
    const streams = ['a', 'b', 'c'].map((fill) => {
      const received = new StreamEvents();
      const stream = client.connection.request(REQUEST, received);
      stream.sendData(Buffer.alloc(100_000, fill));
      return { stream, received };
    });
    for (const { stream } of streams) expect(stream.sendData(Buffer.from('end'), true)).toBe(false);
    await client.turn();
    expect(client.connection.outbox.bytes).toBeGreaterThan(100_000);
    expect(client.connection.outbox.bytes).toBeLessThan(128 * 1024 + 16_384 + 9);
    client.socket.drain();
    await client.turn();
    const order = dataIn(client.news())
      .map(({ payload }) => String.fromCharCode(payload[0] ?? 0))
      .join('');
    expect([...order].sort().join('')).toMatch(/^a{7,8}b{7}c{7}eee$/);
    expect(order.slice(1)).not.toMatch(/([abc])\1/); // the first frame went while nobody waited
    expect(client.connection.waitingStreams).toBe(0);
    expect(streams.map(({ stream, received }) => [stream.hasEnded, stream.isWaiting, received.writable])).toEqual(
      Array(3).fill([true, false, 0]),
    );
  });

  it('reports whether there is room for more, and calls back once when there is again', async () => {
    const { client, received, stream } = await asked();
    expect(stream.sendData(Buffer.alloc(16_384))).toBe(true);
    const sent: string[] = [];
    expect(stream.sendData(Buffer.alloc(60_000), false, () => sent.push('first'))).toBe(false);
    expect(stream.sendData(Buffer.alloc(10), false, () => sent.push('second'))).toBe(false);
    await client.turn();
    client.say(windowUpdate(0, 100_000), windowUpdate(1, 60_000 - (WINDOW - 16_384)));
    await client.turn();
    expect([sent, received.writable, stream.isWaiting]).toEqual([['first'], 0, true]);
    client.say(windowUpdate(1, 10));
    await client.turn();
    expect([sent, received.writable, stream.isWaiting]).toEqual([['first', 'second'], 1, false]);
    client.say(windowUpdate(1, 1000));
    await client.turn();
    expect(received.writable).toBe(1);
  });

  it('a sender that continues when notified of room is notified again', async () => {
    const { client, received, stream } = await asked();
    received.onWritable = () => {
      received.writable += 1;
      if (received.writable === 1) stream.sendData(Buffer.alloc(100));
    };
    stream.sendData(Buffer.alloc(WINDOW + 1));
    client.say(windowUpdate(0, 1000), windowUpdate(1, 1));
    await client.turn();
    expect([received.writable, stream.isWaiting]).toEqual([1, true]);
    client.say(windowUpdate(1, 100));
    await client.turn();
    expect([received.writable, stream.isWaiting]).toEqual([2, false]);
  });

  it('an end follows waiting data, once', async () => {
    const { client, stream } = await asked();
    stream.sendData(Buffer.alloc(WINDOW + 1));
    stream.end();
    stream.end();
    await client.turn();
    client.news();
    client.say(windowUpdate(0, 10), windowUpdate(1, 10));
    await client.turn();
    expect(client.news().map(({ type, flags, payload }) => [type, flags, payload.length])).toEqual([
      [FRAME.DATA, FLAG.END_STREAM, 1],
    ]);
  });
});

describe('data buffered while a stream is paused', () => {
  it('is copied: the memory that it was read into is used again', async () => {
    const { client, received, stream } = await asked();
    stream.pause();
    const chunks = [
      [data(1, 'small'), frame(0x42, 0, 0, Buffer.alloc(10_000))],
      [data(1, Buffer.alloc(16_000, 'l'))],
    ].map((frames) => Buffer.from(new Uint8Array(Buffer.concat(frames)).buffer));
    for (const chunk of chunks) client.socket.emit('data', chunk);
    stream.resume();
    await client.turn();
    expect(received.parts.map(({ length }) => length)).toEqual([5, 16_000]);
    expect(received.text).toBe(`small${'l'.repeat(16_000)}`);
  });

  it('is delivered before data that arrives meanwhile; a pause in between holds the rest', async () => {
    const { client, received, stream } = await asked();
    stream.pause();
    client.say(data(1, 'a'), data(1, 'b'));
    stream.resume();
    client.say(data(1, 'c'));
    received.onData = (bytes) => {
      received.parts.push(Buffer.from(bytes));
      if (received.text === 'a') stream.pause();
    };
    await client.turn();
    expect(received.text).toBe('a');
    stream.resume();
    stream.resume();
    await client.turn();
    expect(received.text).toBe('abc');
    client.say(data(1, 'd'));
    expect(received.text).toBe('abcd');
  });

  it('is dropped when the stream is reset from here, and given back to the connection', async () => {
    const { client, received, stream } = await asked(80_000);
    stream.pause();
    for (let i = 0; i < 3; i += 1) client.say(data(1, Buffer.alloc(15_000)));
    stream.reset(H2_ERROR.CANCEL);
    stream.resume();
    await client.turn();
    expect([received.parts, received.closed, grants(client.news())]).toEqual([[], [], [[0, 45_000]]]);
  });

  it('trailers and the end wait, too; a request that is over meanwhile still delivers them', async () => {
    const { client, received, stream } = await asked();
    stream.pause();
    client.say(data(1, 'x'), headers(1, TRAILERS, ENDS));
    stream.end();
    expect([received.lists.length, received.ended, client.connection.openStreams]).toEqual([1, false, 1]);
    stream.resume();
    await client.turn();
    expect([received.text, received.lists.length, received.ended, received.closed]).toEqual([
      'x',
      2,
      true,
      ['complete'],
    ]);
    expect(client.connection.openStreams).toBe(0);
  });
});

it('an answer is over when both ends have ended, in either order', async () => {
  const first = await asked();
  first.stream.end();
  expect(first.received.closed).toEqual([]);
  first.client.say(headers(1, TRAILERS, ENDS));
  expect([first.received.ended, first.received.closed]).toEqual([true, ['complete']]);
  const last = await asked();
  last.client.say(headers(1, TRAILERS, ENDS));
  expect([last.received.ended, last.received.closed, last.stream.isClosed]).toEqual([true, [], false]);
  last.stream.end();
  expect([last.received.closed, last.stream.isClosed]).toEqual([['complete'], true]);
});

it('headers alone may be the whole request, and the whole answer', async () => {
  const server = await Wired.ready('server');
  server.say(headers(1, REQUEST, ENDS));
  const [one] = server.opened;
  expect([one?.received.ended, one?.stream.remoteHasEnded]).toEqual([true, true]);
  expect(one?.stream.sendHeaders(ANSWER, true)).toBe(false);
  await server.turn();
  expect(server.news().map(({ type, flags }) => [type, flags])).toEqual([[FRAME.HEADERS, ENDS]]);
  expect([one?.received.closed, server.connection.openStreams]).toEqual([['complete'], 0]);
});
