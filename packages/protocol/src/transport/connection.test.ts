import { encodeField, encodeHeaders } from './hpack/encoder.js';
import { frame, HELLO, SETTINGS, uint32 } from './test-kit/frames.js';
import { StreamEvents, Wired } from './test-kit/wired.js';
import { FLAG, FRAME, H2_ERROR, SETTING } from './wire.js';

const REQUEST = encodeHeaders([
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/x'],
  ['content-type', 'application/grpc'],
]);
const ANSWER = encodeHeaders([[':status', '200']]);
const TRAILERS = encodeHeaders([['grpc-status', '0']]);
const ENDS = FLAG.END_HEADERS | FLAG.END_STREAM;

const headers = (stream: number, block = REQUEST, flags: number = FLAG.END_HEADERS) =>
  frame(FRAME.HEADERS, flags, stream, block);
const data = (stream: number, text: string | Buffer, flags = 0) => frame(FRAME.DATA, flags, stream, Buffer.from(text));
const settings = (...entries: [number, number][]) =>
  frame(
    FRAME.SETTINGS,
    0,
    0,
    Buffer.concat(entries.map(([id, value]) => Buffer.concat([Buffer.from([id >> 8, id]), uint32(value)]))),
  );
const windowUpdate = (stream: number, bytes: number) => frame(FRAME.WINDOW_UPDATE, 0, stream, uint32(bytes));
const reset = (stream: number, code: number = H2_ERROR.CANCEL) => frame(FRAME.RST_STREAM, 0, stream, uint32(code));
const goaway = (last: number, code: number) => frame(FRAME.GOAWAY, 0, 0, Buffer.concat([uint32(last), uint32(code)]));
const PING = frame(FRAME.PING, 0, 0, Buffer.from('12345678'));
/** The notification that a stream gets when it is over. */
const lossOf = (received: StreamEvents) => received.closed[0];

async function engaged(options = {}) {
  const client = await Wired.ready('client', options);
  const received = new StreamEvents();
  const stream = client.connection.request(REQUEST, received);
  received.stream = stream;
  await client.turn();
  client.news();
  return { client, received, stream };
}

describe('a request and its answer', () => {
  it('at a client: the frames of a turn leave in one write, and consecutive data of a stream shares a frame', async () => {
    const client = await Wired.ready('client');
    const received = new StreamEvents();
    const before = client.socket.writes.length;
    const stream = client.connection.request(REQUEST, received);
    stream.sendData(Buffer.from('one '));
    stream.sendData(Buffer.from('two'));
    stream.end();
    await client.turn();
    expect(client.socket.writes).toHaveLength(before + 1);
    expect(client.news()).toEqual([
      { type: FRAME.HEADERS, flags: FLAG.END_HEADERS, stream: 1, payload: REQUEST },
      { type: FRAME.DATA, flags: FLAG.END_STREAM, stream: 1, payload: Buffer.from('one two') },
    ]);
    client.say(headers(1, ANSWER), data(1, 'answer'), headers(1, TRAILERS, ENDS));
    expect([received.text, received.lists.length, received.ended, received.closed]).toEqual([
      'answer',
      2,
      true,
      ['complete'],
    ]);
    expect(client.connection.openStreams).toBe(0);
  });

  it('at a server: an answer that is complete before the request cuts the request off', async () => {
    const server = await Wired.ready('server');
    server.say(headers(1));
    const { stream, received } = server.opened[0] ?? fail();
    stream.sendHeaders(ANSWER, false);
    stream.sendData(Buffer.from('no'));
    stream.sendHeaders(TRAILERS, true);
    await server.turn();
    expect(server.news().map(({ type, payload }) => [type, payload.length])).toEqual([
      [FRAME.HEADERS, ANSWER.length],
      [FRAME.DATA, 2],
      [FRAME.HEADERS, TRAILERS.length],
      [FRAME.RST_STREAM, 4],
    ]);
    expect([received.closed, server.connection.openStreams]).toEqual([['complete'], 0]);
    server.say(data(1, 'late'), headers(1, TRAILERS, ENDS), reset(1));
    await server.turn();
    expect([server.closes, server.news()]).toEqual([[], []]);
  });

  it('accepts padding, priority, extensions, interim heads and a head in pieces', async () => {
    const server = await Wired.ready('server');
    const padded = Buffer.concat([Buffer.from([3, 0, 0, 0, 0, 16]), REQUEST.subarray(0, 2), Buffer.alloc(3)]);
    server.say(
      frame(FRAME.PRIORITY, 0, 9, Buffer.from([0, 0, 0, 0, 1])),
      frame(FRAME.HEADERS, FLAG.PADDED | FLAG.PRIORITY, 1, padded),
      frame(FRAME.CONTINUATION, 0, 1, REQUEST.subarray(2, 5)),
      frame(FRAME.CONTINUATION, FLAG.END_HEADERS, 1, REQUEST.subarray(5)),
      frame(0x42, 0xff, 1, Buffer.from('grease')),
      frame(FRAME.DATA, FLAG.PADDED, 1, Buffer.from('\u0002okpp')),
      frame(FRAME.DATA, FLAG.PADDED | FLAG.END_STREAM, 1, Buffer.from([0])),
    );
    const [one] = server.opened;
    expect([one?.head.get(':path'), one?.received.text, one?.received.ended, server.closes]).toEqual([
      '/x',
      'ok',
      true,
      [],
    ]);
  });
});

describe('flow control', () => {
  it('sends no more than the windows allow, the rest as they open, and says when it may send again', async () => {
    const { client, received, stream } = await engaged();
    expect(stream.sendData(Buffer.alloc(65_000, 'a'))).toBe(false);
    expect(stream.sendData(Buffer.alloc(1000, 'b'))).toBe(false);
    await client.turn();
    const sent = () =>
      client
        .news()
        .filter(({ type }) => type === FRAME.DATA)
        .map(({ payload }) => payload.length);
    expect(sent()).toEqual([16_384, 16_384, 16_384, 15_848, 535]);
    client.say(windowUpdate(1, 10_000));
    await client.turn();
    expect([sent(), received.writable]).toEqual([[], 0]); // the connection's window is shut still
    client.say(windowUpdate(0, 100));
    await client.turn();
    expect(sent()).toEqual([100]);
    client.say(windowUpdate(0, 100_000));
    await client.turn();
    expect([sent(), received.writable]).toEqual([[365], 1]);
  });

  it('a window reduced by SETTINGS may become negative', async () => {
    const { client, stream } = await engaged();
    stream.sendData(Buffer.alloc(1000));
    client.say(settings([SETTING.INITIAL_WINDOW_SIZE, 500]));
    stream.sendData(Buffer.from('waits'));
    await client.turn();
    client.news();
    client.say(windowUpdate(1, 500));
    await client.turn();
    expect(client.news()).toEqual([]);
    client.say(settings([SETTING.INITIAL_WINDOW_SIZE, 503]));
    await client.turn();
    expect(client.news().map(({ type, payload }) => [type, String(payload)])).toEqual([
      [FRAME.SETTINGS, ''],
      [FRAME.DATA, 'wai'],
    ]);
  });

  it('a stream that begins after SETTINGS has the window that they set', async () => {
    const client = await Wired.ready('client');
    client.socket.open = false;
    const first = client.connection.request(REQUEST, new StreamEvents());
    client.say(windowUpdate(0, 1e6), windowUpdate(1, 1e6));
    for (let i = 0; i < 20; i += 1) first.sendData(Buffer.alloc(16_000));
    await client.turn();
    const late = client.connection.request(REQUEST, new StreamEvents());
    client.say(settings([SETTING.INITIAL_WINDOW_SIZE, 10]));
    late.sendData(Buffer.alloc(100));
    client.socket.drain();
    await client.turn();
    const sent = client.news().filter(({ type, stream }) => type === FRAME.DATA && stream === 3);
    expect(sent.map(({ payload }) => payload.length)).toEqual([10]);
  });

  it('heads and trailers are sent while the window of the connection is closed', async () => {
    const server = await Wired.ready('server');
    server.say(headers(1, REQUEST, ENDS), headers(3, REQUEST, ENDS));
    const [one, two] = server.opened;
    one?.stream.sendHeaders(ANSWER, false);
    one?.stream.sendData(Buffer.alloc(100_000));
    two?.stream.sendHeaders(ANSWER, false);
    two?.stream.sendHeaders(TRAILERS, true);
    await server.turn();
    expect(
      server
        .news()
        .filter(({ stream }) => stream === 3)
        .map(({ type }) => type),
    ).toEqual([1, 1]);
  });

  it('a paused stream buffers data in order, and lets the peer continue when it is read', async () => {
    const { client, received, stream } = await engaged();
    client.say(headers(1, ANSWER));
    stream.pause();
    client.say(...['x', 'y', 'z'].map((fill) => data(1, Buffer.alloc(10_000, fill))), headers(1, TRAILERS, ENDS));
    expect([received.parts.length, received.lists.length, received.ended]).toEqual([0, 1, false]);
    await client.turn();
    expect(client.news()).toEqual([]);
    stream.resume();
    expect(received.parts).toHaveLength(0); // not within the call
    await client.turn();
    const text = ['x', 'y', 'z'].map((fill) => fill.repeat(10_000)).join('');
    expect([received.text === text, received.lists.length, received.ended]).toEqual([true, 2, true]);
  });

  it('a stream that is read gets more window; dropped data is given back to the connection', async () => {
    const server = await Wired.ready('server', { connectionWindowBytes: 100_000 });
    server.say(headers(1), headers(3));
    const [one, two] = server.opened;
    one?.stream.pause();
    for (let i = 0; i < 3; i += 1) server.say(data(1, Buffer.alloc(16_000)));
    for (let i = 0; i < 3; i += 1) server.say(data(3, Buffer.alloc(16_000)));
    await server.turn();
    expect(server.news().map(({ stream, payload }) => [stream, payload.readUInt32BE(0)])).toEqual([[3, 48_000]]);
    server.say(reset(1));
    await server.turn();
    expect(server.news().map(({ stream, payload }) => [stream, payload.readUInt32BE(0)])).toEqual([[0, 96_000]]);
    expect(two?.received.parts).toHaveLength(3);
  });
});

describe('what a stream buffers goes with it', () => {
  it('waiting bytes are dropped when the peer resets, and count no more', async () => {
    const server = await Wired.ready('server');
    server.socket.open = false;
    for (let id = 1; id < 200; id += 2) {
      server.say(headers(id));
      const { stream } = server.opened.at(-1) ?? fail();
      stream.sendHeaders(ANSWER, false);
      for (let i = 0; i < 10; i += 1) stream.sendData(Buffer.alloc(100_000));
      server.say(reset(id));
    }
    await server.turn();
    expect(server.connection.outbox.bytes).toBeLessThan(256 * 1024);
    expect([server.connection.openStreams, server.closes]).toEqual([0, []]);
    // An ordinary call is served as before.
    server.say(windowUpdate(0, 1_000_000), headers(201, REQUEST, ENDS));
    server.opened.at(-1)?.stream.sendHeaders(TRAILERS, true);
    server.socket.drain();
    await server.turn();
    expect(server.news().at(-1)).toMatchObject({ stream: 201, type: FRAME.HEADERS });
  });

  it('a stream that is reset before its head was sent sends nothing, and gets no number', async () => {
    const client = await Wired.ready('client');
    client.socket.open = false;
    const first = client.connection.request(REQUEST, new StreamEvents());
    first.sendData(Buffer.alloc(60_000));
    await client.turn();
    client.say(windowUpdate(0, 1e6), windowUpdate(1, 1e6));
    for (let i = 0; i < 20; i += 1) first.sendData(Buffer.alloc(16_000));
    await client.turn();
    const late = new StreamEvents();
    client.connection.request(REQUEST, late).reset(H2_ERROR.CANCEL);
    const last = new StreamEvents();
    client.connection.request(REQUEST, last);
    expect(client.connection.openStreams).toBe(2);
    client.socket.drain();
    await client.turn();
    expect(
      client
        .news()
        .filter(({ type }) => type !== FRAME.DATA)
        .map(({ type, stream }) => [type, stream]),
    ).toEqual([
      [FRAME.HEADERS, 1],
      [FRAME.HEADERS, 3],
    ]);
    expect(late.closed).toEqual([]);
  });

  it('streams that give up while the peer does not read do not accumulate', async () => {
    const client = await Wired.ready('client');
    client.socket.open = false;
    const first = client.connection.request(REQUEST, new StreamEvents());
    client.say(windowUpdate(0, 1e6), windowUpdate(1, 1e6));
    for (let i = 0; i < 20; i += 1) first.sendData(Buffer.alloc(16_000));
    await client.turn();
    for (let i = 0; i < 10_000; i += 1) client.connection.request(REQUEST, new StreamEvents()).reset(H2_ERROR.CANCEL);
    expect([client.connection.openStreams, client.connection.waitingStreams < 1000]).toEqual([1, true]);
    client.connection.request(REQUEST, new StreamEvents());
    client.socket.drain();
    await client.turn();
    expect([client.connection.waitingStreams, client.news().some(({ stream }) => stream === 3)]).toEqual([0, true]);
  });

  it('a listener that throws costs only its stream', async () => {
    const server = await Wired.ready('server');
    server.say(headers(1), headers(3));
    const [one, two] = server.opened;
    if (one) one.received.onData = () => fail();
    server.say(data(1, 'x'), data(3, 'y'));
    await server.turn();
    expect(server.faults).toHaveLength(1);
    expect(server.news()).toMatchObject([{ type: FRAME.RST_STREAM, stream: 1 }]);
    expect([one?.received.closed.length, two?.received.text, server.closes]).toEqual([1, 'y', []]);
  });
});

describe('how a stream is lost', () => {
  it.each`
    how                                    | peer                                                    | loss
    ${'a reset'}                           | ${reset(1)}                                             | ${{ unprocessed: false, allDataRead: true, resetCode: 8 }}
    ${'REFUSED_STREAM'}                    | ${reset(1, H2_ERROR.REFUSED_STREAM)}                    | ${{ unprocessed: true, resetCode: 7 }}
    ${'a GOAWAY with a lower number'}      | ${goaway(0, H2_ERROR.NO_ERROR)}                         | ${{ unprocessed: true }}
    ${'a GOAWAY with an error'}            | ${goaway(1, H2_ERROR.INTERNAL_ERROR)}                   | ${{ unprocessed: false, allDataRead: true }}
    ${'an answer that violates HTTP/2'}    | ${headers(1, encodeHeaders([['connection', 'close']]))} | ${{ unprocessed: false, allDataRead: false }}
    ${'a connection that violates HTTP/2'} | ${frame(FRAME.PING, 0, 0)}                              | ${{ unprocessed: false, allDataRead: false }}
  `('$how', async ({ peer, loss }) => {
    const { client, received } = await engaged();
    client.say(peer);
    expect(received.closed).toMatchObject([loss]);
  });

  it.each`
    how                                 | event                                                                              | allDataRead
    ${'the peer closed the connection'} | ${['end']}                                                                         | ${true}
    ${'a read found it reset'}          | ${['error', Object.assign(new Error(), { code: 'ECONNRESET', syscall: 'read' })]}  | ${true}
    ${'a write found it reset'}         | ${['error', Object.assign(new Error(), { code: 'ECONNRESET', syscall: 'write' })]} | ${false}
    ${'a write found it closed'}        | ${['error', Object.assign(new Error(), { code: 'EPIPE', syscall: 'write' })]}      | ${false}
    ${'it timed out'}                   | ${['error', Object.assign(new Error(), { code: 'ETIMEDOUT', syscall: 'read' })]}   | ${false}
  `('$how: all data of the peer was read? $allDataRead', async ({ event, allDataRead }) => {
    const { client, received } = await engaged();
    client.socket.emit(event[0], event[1]);
    expect(received.closed).toMatchObject([{ allDataRead, unprocessed: false }]);
    expect([client.closes.length, client.socket.destroyed]).toEqual([1, true]);
  });

  it('a complete answer survives its connection, even if it is not read yet', async () => {
    const { client, received, stream } = await engaged();
    client.say(headers(1, ANSWER));
    stream.pause();
    client.say(data(1, 'all'), headers(1, TRAILERS, ENDS));
    client.socket.emit('end');
    stream.resume();
    await client.turn();
    expect([received.text, received.lists.length, received.ended, received.closed]).toEqual([
      'all',
      2,
      true,
      ['complete'],
    ]);
  });
});

describe('graceful close', () => {
  it('a server announces it in two steps, finishes its streams, and closes', async () => {
    const server = await Wired.ready('server');
    server.say(headers(1, REQUEST, ENDS));
    server.connection.closeGracefully();
    const [first, ping] = server.news();
    expect(first?.payload).toHaveLength(8);
    expect([first?.type, first?.payload.readUInt32BE(0), ping?.type]).toEqual([FRAME.GOAWAY, 0x7fffffff, FRAME.PING]);
    server.say(headers(3, REQUEST, ENDS)); // it was on its way
    expect(server.opened).toHaveLength(2);
    server.say(frame(FRAME.PING, FLAG.ACK, 0, ping?.payload));
    await server.turn();
    expect(server.news()[0]?.payload).toEqual(Buffer.concat([uint32(3), uint32(H2_ERROR.NO_ERROR)]));
    server.say(headers(5));
    expect(server.opened).toHaveLength(2);
    for (const { stream } of server.opened) stream.sendHeaders(TRAILERS, true);
    await server.turn();
    expect([server.socket.destroyed, server.closes.length]).toEqual([true, 1]);
  });

  it('a client opens no more streams after GOAWAY, and open ones continue', async () => {
    const { client, received } = await engaged();
    client.say(goaway(0x7fffffff, 0));
    expect([client.connection.takesStreams, client.goaways, received.closed]).toEqual([false, 1, []]);
    client.say(headers(1, ANSWER), headers(1, TRAILERS, ENDS));
    expect(received.ended).toBe(true);
    received.stream?.end();
    await client.turn();
    expect(client.socket.destroyed).toBe(true);
  });

  it('a client without open streams closes as soon as its peer sends GOAWAY', async () => {
    const client = await Wired.ready('client');
    client.say(goaway(0, 0));
    await client.turn();
    expect([client.socket.destroyed, client.closes]).toMatchObject([
      true,
      [{ message: 'the connection has done its work' }],
    ]);
  });

  it('streams that have not begun have certainly not arrived when the connection is lost', async () => {
    const client = await Wired.ready('client');
    client.socket.open = false;
    const first = client.connection.request(REQUEST, new StreamEvents());
    client.say(windowUpdate(0, 1e6), windowUpdate(1, 1e6));
    for (let i = 0; i < 20; i += 1) first.sendData(Buffer.alloc(16_000));
    await client.turn();
    const waits = new StreamEvents();
    client.connection.request(REQUEST, waits);
    client.connection.destroy(new Error('gone'));
    expect(lossOf(waits)).toMatchObject({ unprocessed: true });
  });
});

it("respects the peer's limits for streams and frames", async () => {
  const client = await Wired.ready('client');
  client.say(settings([SETTING.MAX_CONCURRENT_STREAMS, 1]));
  expect(client.connection.takesStreams).toBe(true);
  client.connection.request(REQUEST, new StreamEvents());
  expect(client.connection.takesStreams).toBe(false);
  client.say(settings([SETTING.MAX_CONCURRENT_STREAMS, 2]));
  expect(client.connection.takesStreams).toBe(true);
});

it('answers a PING, reports the next one on request, and accepts only answers to its own', async () => {
  const { client } = await engaged();
  const asked: string[] = [];
  client.connection.onNextPing(() => asked.push('asked'));
  client.connection.ping(() => asked.push('answered'));
  await client.turn();
  const [ping] = client.news();
  client.say(frame(FRAME.PING, FLAG.ACK, 0, Buffer.from('12345678')), PING, PING);
  client.say(frame(FRAME.PING, FLAG.ACK, 0, ping?.payload), frame(FRAME.PING, FLAG.ACK, 0, ping?.payload));
  await client.turn();
  expect(asked).toEqual(['asked', 'answered']);
  expect(client.news().map(({ type, flags }) => [type, flags])).toEqual([
    [FRAME.PING, FLAG.ACK],
    [FRAME.PING, FLAG.ACK],
  ]);
});

it('what is sent before the flush follows all that streams send in the turn, in the same write, and once', async () => {
  const { client, stream } = await engaged();
  client.connection.beforeFlush(() => client.connection.ping(() => undefined));
  stream.sendData(Buffer.from('later'));
  const before = client.socket.writes.length;
  await client.turn();
  expect(client.news().map(({ type }) => type)).toEqual([FRAME.DATA, FRAME.PING]);
  await client.turn();
  stream.sendData(Buffer.from('more'));
  await client.turn();
  expect(client.news().map(({ type }) => type)).toEqual([FRAME.DATA]);
  expect(client.socket.writes).toHaveLength(before + 2);
});

it('nothing is called before a flush that never comes', async () => {
  const { client } = await engaged();
  let calls = 0;
  client.connection.beforeFlush(() => {
    calls += 1;
  });
  client.connection.destroy(new Error('cut off'));
  await client.turn();
  expect(calls).toBe(0);
});

describe('a peer that violates the rules loses its connection, and is told why', () => {
  const bomb = Buffer.concat([Buffer.from([0x40, 1, 0x61]), encodeField('x', 'y'.repeat(3000)).subarray(3)]);
  it.each`
    what                                                 | role        | says                                                                                                                          | code
    ${'HTTP/1.1'}                                        | ${'server'} | ${[Buffer.from('GET / HTTP/1.1\r\n\r\n')]}                                                                                    | ${1}
    ${'another frame before SETTINGS'}                   | ${'server'} | ${[HELLO.subarray(0, 24), PING]}                                                                                              | ${1}
    ${'an acknowledgement first'}                        | ${'client'} | ${[frame(FRAME.SETTINGS, FLAG.ACK)]}                                                                                          | ${1}
    ${'DATA on stream 0'}                                | ${'server'} | ${[HELLO, data(0, 'x')]}                                                                                                      | ${1}
    ${'DATA on a stream that was never opened'}          | ${'server'} | ${[HELLO, data(5, 'x')]}                                                                                                      | ${1}
    ${'RST_STREAM of a stream that was never opened'}    | ${'server'} | ${[HELLO, reset(5)]}                                                                                                          | ${1}
    ${'WINDOW_UPDATE of a stream that was never opened'} | ${'server'} | ${[HELLO, windowUpdate(5, 1)]}                                                                                                | ${1}
    ${'an even stream number from a client'}             | ${'server'} | ${[HELLO, headers(2)]}                                                                                                        | ${1}
    ${'a repeated stream number'}                        | ${'server'} | ${[HELLO, headers(3), reset(3), headers(3)]}                                                                                  | ${1}
    ${'an answer without a request'}                     | ${'client'} | ${[SETTINGS, headers(1, ANSWER)]}                                                                                             | ${1}
    ${'a pushed stream'}                                 | ${'client'} | ${[SETTINGS, frame(FRAME.PUSH_PROMISE, 4, 1, uint32(2))]}                                                                     | ${1}
    ${'a head that another frame interrupts'}            | ${'server'} | ${[HELLO, headers(1, REQUEST.subarray(0, 3), 0), PING]}                                                                       | ${1}
    ${'CONTINUATION without a head'}                     | ${'server'} | ${[HELLO, frame(FRAME.CONTINUATION, 4, 1, REQUEST)]}                                                                          | ${1}
    ${'endless CONTINUATION'}                            | ${'server'} | ${[HELLO, headers(1, REQUEST, 0), ...Array.from({ length: 20 }, () => frame(FRAME.CONTINUATION, 0, 1))]}                      | ${11}
    ${'CONTINUATION of 64 KiB and more'}                 | ${'server'} | ${[HELLO, headers(1, REQUEST, 0), ...Array.from({ length: 5 }, () => frame(FRAME.CONTINUATION, 0, 1, Buffer.alloc(16_384)))]} | ${11}
    ${'invalid HPACK'}                                   | ${'server'} | ${[HELLO, headers(1, Buffer.from([0x80]))]}                                                                                   | ${9}
    ${'more padding than frame'}                         | ${'server'} | ${[HELLO, headers(1), frame(FRAME.DATA, FLAG.PADDED, 1, Buffer.from([9, 0]))]}                                                | ${1}
    ${'PING of six bytes'}                               | ${'server'} | ${[HELLO, frame(FRAME.PING, 0, 0, Buffer.alloc(6))]}                                                                          | ${6}
    ${'SETTINGS of five bytes'}                          | ${'server'} | ${[HELLO, frame(FRAME.SETTINGS, 0, 0, Buffer.alloc(5))]}                                                                      | ${6}
    ${'a window above the maximum'}                      | ${'server'} | ${[HELLO, settings([SETTING.INITIAL_WINDOW_SIZE, 2 ** 31])]}                                                                  | ${3}
    ${'an invalid frame size'}                           | ${'server'} | ${[HELLO, settings([SETTING.MAX_FRAME_SIZE, 100])]}                                                                           | ${1}
    ${'WINDOW_UPDATE of 0'}                              | ${'server'} | ${[HELLO, windowUpdate(0, 0)]}                                                                                                | ${1}
    ${'a window that overflows'}                         | ${'server'} | ${[HELLO, windowUpdate(0, 2 ** 31 - 1)]}                                                                                      | ${3}
    ${'a reset for each of 100 000 streams'}             | ${'server'} | ${[HELLO, ...Array.from({ length: 100_001 }, (_, i) => Buffer.concat([headers(2 * i + 1), reset(2 * i + 1)]))]}               | ${11}
    ${'200 000 empty frames'}                            | ${'server'} | ${[HELLO, headers(1), ...Array.from({ length: 200_001 }, () => data(1, ''))]}                                                 | ${11}
    ${'a dynamic table that is too large'}               | ${'server'} | ${[HELLO, headers(1, Buffer.from([0x3f, 0xe2, 0x1f]))]}                                                                       | ${9}
  `('$what', async ({ role, says, code }) => {
    const peer = new Wired(role);
    if (says.length > 1000) peer.opened.push = () => 0;
    peer.say(Buffer.concat(says));
    await peer.turn();
    const last = peer.news().at(-1);
    expect([last?.type, last?.payload.readUInt32BE(4)]).toEqual([FRAME.GOAWAY, code]);
    expect(last?.payload.subarray(8).toString()).toBe(peer.closes[0]?.message);
    expect(peer.closes[0]?.message).toMatch(/\w/);
    expect([peer.closes.length, peer.socket.destroyed, peer.connection.openStreams]).toEqual([1, true, 0]);
    peer.say(PING); // is not read any more
  });

  it('more than the window of the connection, on streams that are not read', async () => {
    const server = await Wired.ready('server', { connectionWindowBytes: 100_000 });
    for (const id of [1, 3, 5]) {
      server.say(headers(id));
      server.opened.at(-1)?.stream.pause();
      for (let i = 0; i < 3; i += 1) server.say(data(id, Buffer.alloc(16_000)));
    }
    await server.turn();
    expect(server.news().at(-1)?.payload.readUInt32BE(4)).toBe(H2_ERROR.FLOW_CONTROL_ERROR);
    expect(server.closes).toHaveLength(1);
  });

  it.each`
    what                                  | says                                                                                              | code
    ${'a name with capital letters'}      | ${headers(1, Buffer.concat([REQUEST, encodeField('Te', 'trailers')]))}                            | ${1}
    ${'a value with a line feed'}         | ${headers(1, Buffer.concat([REQUEST, encodeField('x', 'a\r\nb')]))}                               | ${1}
    ${'a value with a NUL'}               | ${headers(1, Buffer.concat([REQUEST, encodeField('x', '\0')]))}                                   | ${1}
    ${'http2-settings'}                   | ${headers(1, Buffer.concat([REQUEST, encodeField('http2-settings', 'AAMAAABk')]))}                | ${1}
    ${'connection: close'}                | ${headers(1, Buffer.concat([REQUEST, encodeField('connection', 'close')]))}                       | ${1}
    ${'te: gzip'}                         | ${headers(1, Buffer.concat([REQUEST, encodeField('te', 'gzip')]))}                                | ${1}
    ${'no path'} | ${headers(1, encodeHeaders([[':method', 'POST'], [':scheme', 'http']]))} | ${1}
    ${'two paths'}                        | ${headers(1, Buffer.concat([encodeField(':path', '/'), REQUEST]))}                                | ${1}
    ${'a pseudo-header after the others'} | ${headers(1, Buffer.concat([REQUEST, encodeField(':authority', 'x')]))}                           | ${1}
    ${'a header list of 40 KB'}           | ${headers(1, Buffer.concat([REQUEST, bomb, Buffer.alloc(13, 0xbe)]))}                             | ${11}
    ${'more than its window'}             | ${Buffer.concat([headers(1), ...Array.from({ length: 5 }, () => data(1, Buffer.alloc(16_000)))])} | ${3}
    ${'trailers after its end'}           | ${Buffer.concat([headers(1, REQUEST, ENDS), headers(1, TRAILERS, ENDS)])}                         | ${5}
    ${'trailers of 40 KB'}                | ${Buffer.concat([headers(1), headers(1, Buffer.concat([bomb, Buffer.alloc(13, 0xbe)]), ENDS)])}   | ${11}
    ${'a window that overflows'}          | ${Buffer.concat([headers(1), windowUpdate(1, 2 ** 31 - 1)])}                                      | ${3}
    ${'DATA after its end'}               | ${Buffer.concat([headers(1, REQUEST, ENDS), data(1, 'x')])}                                       | ${5}
    ${'the head again, as trailers'}      | ${Buffer.concat([headers(1), headers(1, REQUEST, ENDS)])}                                         | ${1}
    ${'a second head'}                    | ${Buffer.concat([headers(1), headers(1)])}                                                        | ${1}
    ${'WINDOW_UPDATE of 0'}               | ${Buffer.concat([headers(1), windowUpdate(1, 0)])}                                                | ${1}
  `('a violation on one stream costs only the stream: $what', async ({ says, code }) => {
    const server = await Wired.ready('server');
    const push = server.opened.push.bind(server.opened);
    server.opened.push = (one) => {
      one.stream.pause();
      return push(one);
    };
    server.say(says);
    await server.turn();
    const resets = server.news().filter(({ type }) => type === FRAME.RST_STREAM);
    expect(resets.map(({ stream, payload }) => [stream, payload.readUInt32BE(0)])[0]).toEqual([1, code]);
    expect([server.closes, server.connection.openStreams]).toEqual([[], 0]);
    server.say(headers(3, REQUEST, ENDS));
    expect(server.opened.at(-1)?.head.get(':path')).toBe('/x');
  });
});

describe('a peer that does not read', () => {
  it.each`
    what                           | asks
    ${'PING'}                      | ${PING}
    ${'SETTINGS'}                  | ${SETTINGS}
    ${'more streams than allowed'} | ${'refused'}
  `('$what: the answers are bounded', async ({ asks }) => {
    const server = await Wired.ready('server', { maxStreams: 0 });
    server.socket.open = false;
    for (let i = 0; i < 150_000 && !server.socket.destroyed; i += 1) {
      server.say(asks === 'refused' ? headers(2 * i + 1) : asks);
      if (i % 1000 === 0) await server.turn();
    }
    await server.turn();
    expect(server.socket.destroyed).toBe(true);
    expect(server.closes).toMatchObject([{ message: 'the peer does not read' }]);
    expect(server.connection.outbox.bytes).toBeLessThan(1_200_000);
  });

  it('is disconnected when its socket accepts nothing for several looks', async () => {
    const server = await Wired.ready('server');
    server.socket.open = false;
    server.say(PING);
    await server.turn();
    for (let i = 0; i < 4; i += 1) server.connection.look();
    expect(server.closes).toEqual([]);
    server.connection.look(false);
    expect(server.closes).toEqual([]);
    server.connection.look();
    expect(server.closes).toMatchObject([{ message: 'the peer does not read' }]);
  });

  it('is not disconnected as long as its socket accepts something now and then', async () => {
    const server = await Wired.ready('server');
    for (let round = 0; round < 5; round += 1) {
      server.socket.open = false;
      server.say(PING);
      await server.turn();
      for (let i = 0; i < 3; i += 1) server.connection.look();
      server.say(PING);
      server.socket.drain();
      server.socket.open = false;
      await server.turn();
    }
    expect(server.closes).toEqual([]);
  });

  it('loses a complete answer of which it reads nothing, but not one that is unfinished or read slowly', async () => {
    const server = await Wired.ready('server');
    server.say(settings([SETTING.INITIAL_WINDOW_SIZE, 0]), ...[1, 3, 5].map((id) => headers(id, REQUEST, ENDS)));
    const [done, made, slow] = server.opened;
    for (const one of [done, made, slow]) one?.stream.sendData(Buffer.from('answer'));
    for (const one of [done, slow]) one?.stream.sendHeaders(TRAILERS, true);
    const look = async () => {
      server.connection.look();
      server.say(windowUpdate(5, 1));
      await server.turn();
      return [done, made, slow].map((one) => one?.received.closed.length);
    };
    for (let i = 0; i < 3; i += 1) expect(await look()).toEqual([0, 0, 0]);
    server.news();
    expect(await look()).toEqual([1, 0, 0]);
    expect(done?.received.closed).toMatchObject([
      { message: 'the peer does not read a complete response', unprocessed: false, allDataRead: false },
    ]);
    const [reset] = server.news().filter(({ type }) => type === FRAME.RST_STREAM);
    expect([reset?.stream, reset?.payload]).toEqual([1, uint32(H2_ERROR.CANCEL)]);
    expect(server.connection.openStreams).toBe(2);
  });
});

function fail(): never {
  throw new Error('no such stream');
}
