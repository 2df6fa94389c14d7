import { encodeField, encodeHeaders } from './hpack/encoder.js';
import type { Http2Stream, Payload } from './http2-stream.js';
import { frame, HELLO, uint32 } from './test-kit/frames.js';
import { StreamEvents, Wired } from './test-kit/wired.js';
import { FLAG, FRAME, H2_ERROR, SETTING } from './wire.js';

/** What a peer may and may not send, frame by frame. `connection.test.ts` has the stories. */

const REQUEST = encodeHeaders([
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/x'],
]);
const ANSWER = encodeHeaders([[':status', '200']]);
const TRAILERS = encodeHeaders([['grpc-status', '0']]);
const ENDS = FLAG.END_HEADERS | FLAG.END_STREAM;

const headers = (stream: number, block = REQUEST, flags: number = FLAG.END_HEADERS) =>
  frame(FRAME.HEADERS, flags, stream, block);
const data = (stream: number, text: string, flags = 0) => frame(FRAME.DATA, flags, stream, Buffer.from(text));
const setting = (id: number, value: number) =>
  frame(FRAME.SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, id]), uint32(value)]));
const zeros = (length: number) => Buffer.alloc(length);

describe('a frame that violates HTTP/2 ends the connection, and the peer is told with which code', () => {
  it.each`
    what                                  | says                                                                                | code
    ${'HEADERS on stream 0'}              | ${headers(0)}                                                                       | ${1}
    ${'PRIORITY on stream 0'}             | ${frame(FRAME.PRIORITY, 0, 0, zeros(5))}                                            | ${1}
    ${'SETTINGS on a stream'}             | ${frame(FRAME.SETTINGS, 0, 1)}                                                      | ${1}
    ${'an acknowledgement with settings'} | ${frame(FRAME.SETTINGS, FLAG.ACK, 0, zeros(6))}                                     | ${6}
    ${'PING on a stream'}                 | ${frame(FRAME.PING, 0, 1, zeros(8))}                                                | ${1}
    ${'GOAWAY on a stream'}               | ${frame(FRAME.GOAWAY, 0, 1, zeros(8))}                                              | ${1}
    ${'GOAWAY of seven bytes'}            | ${frame(FRAME.GOAWAY, 0, 0, zeros(7))}                                              | ${6}
    ${'RST_STREAM of five bytes'}         | ${Buffer.concat([headers(1), frame(FRAME.RST_STREAM, 0, 1, zeros(5))])}             | ${6}
    ${'RST_STREAM on stream 0'}           | ${frame(FRAME.RST_STREAM, 0, 0, zeros(4))}                                          | ${1}
    ${'WINDOW_UPDATE of three bytes'}     | ${frame(FRAME.WINDOW_UPDATE, 0, 0, zeros(3))}                                       | ${6}
    ${'an empty frame with padding'}      | ${Buffer.concat([headers(1), frame(FRAME.DATA, FLAG.PADDED, 1)])}                   | ${1}
    ${'padding as large as the frame'}    | ${Buffer.concat([headers(1), frame(FRAME.DATA, FLAG.PADDED, 1, Buffer.from([1]))])} | ${1}
    ${'an empty head with padding'}       | ${frame(FRAME.HEADERS, FLAG.PADDED | FLAG.END_HEADERS, 1)}                          | ${1}
    ${'a head shorter than its padding'}  | ${frame(FRAME.HEADERS, FLAG.PADDED | FLAG.END_HEADERS, 1, Buffer.from([9, 0]))}     | ${1}
    ${'a head shorter than its priority'} | ${frame(FRAME.HEADERS, FLAG.PRIORITY | FLAG.END_HEADERS, 1, zeros(4))}              | ${1}
    ${'CONTINUATION on another stream'}   | ${Buffer.concat([headers(1, REQUEST, 0), frame(FRAME.CONTINUATION, 4, 3)])}         | ${1}
  `('$what: code $code', async ({ says, code }) => {
    const server = await Wired.ready('server');
    server.say(says);
    await server.turn();
    const last = server.news().at(-1);
    expect([last?.type, last?.payload.readUInt32BE(4)]).toEqual([FRAME.GOAWAY, code]);
    expect(last?.payload.subarray(8).toString()).toMatch(/\w/); // why, for whoever looks for the cause
    expect([server.closes.length, server.socket.destroyed]).toEqual([1, true]);
  });

  it('settings that make the window of an open stream overflow', async () => {
    const server = await Wired.ready('server');
    server.say(headers(1), frame(FRAME.WINDOW_UPDATE, 0, 1, uint32(2 ** 31 - 1 - 65_535)));
    server.say(setting(SETTING.INITIAL_WINDOW_SIZE, 65_535)); // as large as it may be
    expect(server.closes).toEqual([]);
    server.say(setting(SETTING.INITIAL_WINDOW_SIZE, 65_536));
    await server.turn();
    expect(server.news().at(-1)?.payload.readUInt32BE(4)).toBe(H2_ERROR.FLOW_CONTROL_ERROR);
  });
});

describe('unusual but allowed frames are harmless', () => {
  it.each`
    what                                   | says
    ${'as much padding as fits'}           | ${Buffer.concat([headers(1), frame(FRAME.DATA, FLAG.PADDED, 1, Buffer.from([1, 0]))])}
    ${'PRIORITY of a future stream'}       | ${frame(FRAME.PRIORITY, 0, 7, zeros(5))}
    ${'an acknowledgement of settings'}    | ${frame(FRAME.SETTINGS, FLAG.ACK)}
    ${'an answer to an unknown PING'}      | ${frame(FRAME.PING, FLAG.ACK, 0, zeros(8))}
    ${'a window of the largest size'}      | ${frame(FRAME.WINDOW_UPDATE, 0, 0, uint32(2 ** 31 - 1 - 65_535))}
    ${'the reserved bit of a window'}      | ${frame(FRAME.WINDOW_UPDATE, 0, 0, uint32(2 ** 31 + 1))}
    ${'a reset of a stream that is over'}  | ${Buffer.concat([headers(1), frame(FRAME.RST_STREAM, 0, 1, zeros(4)), frame(FRAME.RST_STREAM, 0, 1, zeros(4))])}
    ${'a window of a stream that is over'} | ${Buffer.concat([headers(1), frame(FRAME.RST_STREAM, 0, 1, zeros(4)), frame(FRAME.WINDOW_UPDATE, 0, 1, uint32(1))])}
    ${'sixteen continuations'}             | ${Buffer.concat([headers(1, zeros(0), 0), ...Array.from({ length: 15 }, () => frame(FRAME.CONTINUATION, 0, 1)), frame(FRAME.CONTINUATION, 4, 1, REQUEST)])}
    ${'GOAWAY without an error'}           | ${Buffer.concat([headers(1), frame(FRAME.GOAWAY, 0, 0, zeros(20))])}
    ${'unknown frames'}                    | ${frame(0xbe, 0xff, 9, zeros(100))}
  `('$what', async ({ says }) => {
    const server = await Wired.ready('server');
    server.say(says);
    await server.turn();
    const complaints = server.news().filter(({ type }) => type === FRAME.RST_STREAM || type === FRAME.GOAWAY);
    expect([server.closes, server.faults, complaints]).toEqual([[], [], []]);
    server.say(headers(11, REQUEST, ENDS));
    expect(server.opened.at(-1)?.head.get(':path')).toBe('/x');
  });

  it('PRIORITY with a length other than five bytes ends only its stream', async () => {
    const server = await Wired.ready('server');
    server.say(headers(1), headers(3), frame(FRAME.PRIORITY, 0, 1, zeros(4)));
    await server.turn();
    expect(server.news().map(({ type, stream, payload }) => [type, stream, payload.readUInt32BE(0)])).toEqual([
      [FRAME.RST_STREAM, 1, H2_ERROR.FRAME_SIZE_ERROR],
    ]);
    expect(server.opened.map(({ received }) => received.closed.length)).toEqual([1, 0]);
  });

  it('seventeen continuations are too many', async () => {
    const server = await Wired.ready('server');
    server.say(headers(1, zeros(0), 0), ...Array.from({ length: 17 }, () => frame(FRAME.CONTINUATION, 0, 1)));
    await server.turn();
    expect(server.news().at(-1)?.payload.readUInt32BE(4)).toBe(H2_ERROR.ENHANCE_YOUR_CALM);
  });

  it('this many resets and empty frames are allowed between two looks, and as many again after a look', async () => {
    const server = await Wired.ready('server');
    server.opened.push = () => 0;
    const resets = (from: number, count: number) =>
      Buffer.concat(
        Array.from({ length: count }, (_, i) => {
          const id = 2 * (from + i) + 1;
          return Buffer.concat([headers(id), frame(FRAME.RST_STREAM, 0, id, zeros(4))]);
        }),
      );
    server.say(resets(0, 100_000));
    server.connection.look();
    server.say(resets(100_000, 1));
    expect(server.closes).toEqual([]);
  });
});

it('more than 200 000 refused streams are a flood', async () => {
  const server = await Wired.ready('server', { maxStreams: 0 });
  for (let from = 0; from <= 200_000 && server.closes.length === 0; from += 10_001) {
    server.say(...Array.from({ length: 10_001 }, (_, i) => headers(2 * (from + i) + 1)));
    await server.turn();
  }
  expect(server.closes).toMatchObject([{ message: 'too many frames that bring nothing' }]);
  expect(server.opened).toEqual([]);
});

it('more than 200 000 useful frames are not a flood', async () => {
  const server = await Wired.ready('server');
  server.say(headers(1));
  const [one] = server.opened;
  let bytes = 0;
  if (one) {
    one.received.onData = (part) => {
      bytes += part.length;
    };
  }
  const many = Buffer.concat(Array.from({ length: 10_000 }, () => data(1, 'x')));
  for (let i = 0; i < 21; i += 1) server.say(many);
  expect([bytes, server.closes]).toEqual([210_000, []]);
});

describe('the heads of an answer', () => {
  it.each`
    what                                     | heads                                                                                                               | status
    ${'a final one'}                         | ${[headers(1, ANSWER)]}                                                                                             | ${'200'}
    ${'interim ones before it'}              | ${[headers(1, encodeHeaders([[':status', '103']])), headers(1, encodeField(':status', '100')), headers(1, ANSWER)]} | ${'200'}
    ${'a status of two digits'}              | ${[headers(1, encodeField(':status', '99'))]}                                                                       | ${undefined}
    ${'a status of four digits'}             | ${[headers(1, encodeField(':status', '2000'))]}                                                                     | ${undefined}
    ${'a status that begins with 0'}         | ${[headers(1, encodeField(':status', '020'))]}                                                                      | ${undefined}
    ${'no status'}                           | ${[headers(1, TRAILERS)]}                                                                                           | ${undefined}
    ${'an interim one that ends the stream'} | ${[headers(1, encodeField(':status', '103'), ENDS)]}                                                                | ${undefined}
    ${'data before it'}                      | ${[data(1, 'x')]}                                                                                                   | ${undefined}
    ${'trailers that do not end it'}         | ${[headers(1, ANSWER), headers(1, TRAILERS)]}                                                                       | ${undefined}
    ${'trailers with a status'}              | ${[headers(1, ANSWER), headers(1, ANSWER, ENDS)]}                                                                   | ${undefined}
  `('$what: $status', async ({ heads, status }) => {
    const client = await Wired.ready('client');
    const received = new StreamEvents();
    client.connection.request(REQUEST, received);
    await client.turn();
    client.news();
    client.say(...heads);
    await client.turn();
    const resets = client.news().filter(({ type }) => type === FRAME.RST_STREAM);
    if (status === undefined) {
      expect([resets[0]?.payload.readUInt32BE(0), received.closed.length, client.closes]).toEqual([1, 1, []]);
    } else expect([received.lists.at(-1)?.get(':status'), resets, received.closed]).toEqual([status, [], []]);
  });
});

describe('the window of the connection', () => {
  const FULL = Buffer.concat(Array.from({ length: 4 }, () => data(1, 'x'.repeat(16_383))));

  it.each`
    what                      | more | closes
    ${'filled to the byte'}   | ${3} | ${0}
    ${'exceeded by one byte'} | ${4} | ${1}
  `('$what: $closes connections are closed', async ({ more, closes }) => {
    const server = await Wired.ready('server', { connectionWindowBytes: 65_535 });
    server.say(headers(1), headers(3));
    for (const { stream } of server.opened) stream.pause();
    server.say(FULL, data(3, 'x'.repeat(more)));
    await server.turn();
    expect(server.closes).toHaveLength(closes);
  });

  it('data for a stream that violates the rules or is over is given back to the window', async () => {
    const server = await Wired.ready('server', { connectionWindowBytes: 100_000 });
    const part = 'x'.repeat(16_000);
    server.say(headers(1, REQUEST, ENDS), data(1, part), data(1, part), data(1, part), data(1, 'x'.repeat(1999)));
    await server.turn();
    expect(server.news().map(({ type }) => type)).toEqual([FRAME.RST_STREAM]);
    server.say(data(1, 'x'));
    await server.turn();
    expect(server.news()).toMatchObject([{ type: FRAME.WINDOW_UPDATE, stream: 0, payload: uint32(50_000) }]);
  });
});

it.each`
  what                                                 | says
  ${'DATA on an even stream'}                          | ${data(2, 'x')}
  ${'DATA on a stream that has not begun'}             | ${data(3, 'x')}
  ${'a head on an even stream'}                        | ${headers(2, ANSWER)}
  ${'a head on a stream that has not begun'}           | ${headers(3, ANSWER)}
  ${'a reset of an even stream'}                       | ${frame(FRAME.RST_STREAM, 0, 2, zeros(4))}
  ${'a reset of a stream that has not begun'}          | ${frame(FRAME.RST_STREAM, 0, 3, zeros(4))}
  ${'a window update for a stream that has not begun'} | ${frame(FRAME.WINDOW_UPDATE, 0, 3, uint32(1))}
`('a client that gets $what ends the connection', async ({ says }) => {
  const client = await Wired.ready('client');
  client.connection.request(REQUEST, new StreamEvents());
  await client.turn();
  client.say(says);
  await client.turn();
  expect(client.news().at(-1)).toMatchObject({ type: FRAME.GOAWAY });
  expect(client.closes).toHaveLength(1);
});

it('a client ignores late frames of a stream that is over', async () => {
  const client = await Wired.ready('client');
  const stream = client.connection.request(REQUEST, new StreamEvents());
  await client.turn();
  stream.reset(H2_ERROR.CANCEL);
  client.say(headers(1, ANSWER), data(1, 'x'), headers(1, TRAILERS, ENDS));
  client.say(frame(FRAME.RST_STREAM, 0, 1, zeros(4)), frame(FRAME.WINDOW_UPDATE, 0, 1, uint32(1)));
  await client.turn();
  expect([client.closes, client.connection.takesStreams]).toEqual([[], true]);
});

it.each`
  event                                         | message
  ${['end']}                                    | ${'the peer closed the connection'}
  ${['close']}                                  | ${'the connection was closed'}
  ${['error', new Error('ETIMEDOUT'), 'close']} | ${'ETIMEDOUT'}
`('a connection that ends reports why: $message', async ({ event: [name, error, then], message }) => {
  const client = await Wired.ready('client');
  const received = new StreamEvents();
  client.connection.request(REQUEST, received);
  await client.turn();
  client.socket.emit(name, error);
  if (then) client.socket.emit(then);
  expect([client.closes.map((one) => one.message), received.closed]).toMatchObject([[message], [{ message }]]);
});

describe('graceful close', () => {
  it('a server without open streams waits until its peer knows, then closes', async () => {
    const server = await Wired.ready('server');
    server.connection.closeGracefully();
    server.connection.closeGracefully();
    await server.turn();
    const [first, ping, ...more] = server.news();
    expect([first?.type, ping?.type, more, server.socket.destroyed]).toEqual([FRAME.GOAWAY, FRAME.PING, [], false]);
    server.say(frame(FRAME.PING, FLAG.ACK, 0, ping?.payload));
    await server.turn();
    expect(server.news().map(({ type }) => type)).toEqual([FRAME.GOAWAY]);
    expect([server.socket.destroyed, server.socket.soon, server.closes.length]).toEqual([true, true, 1]);
  });

  it('a connection closes when its socket has accepted the last frame, not before', async () => {
    const client = await Wired.ready('client');
    client.socket.open = false;
    client.connection.closeGracefully();
    await client.turn();
    expect([client.socket.destroyed, client.closes]).toEqual([false, []]);
    client.socket.drain();
    await client.turn();
    expect([client.socket.soon, client.closes]).toMatchObject([
      true,
      [{ message: 'the connection has done its work' }],
    ]);
  });

  it('nor before data that waits behind a write under way', async () => {
    const client = await Wired.ready('client');
    client.socket.open = false;
    client.say(frame(FRAME.PING, 0, 0, zeros(8)));
    await client.turn();
    client.connection.closeGracefully();
    client.socket.drain();
    await client.turn();
    expect(client.news().map(({ type }) => type)).toEqual([FRAME.PING, FRAME.GOAWAY]);
    expect([client.socket.soon, client.closes.length]).toEqual([true, 1]);
  });

  it('a server whose last stream ends before its peer knows accepts streams in transit', async () => {
    const server = await Wired.ready('server');
    server.say(headers(1, REQUEST, ENDS));
    server.connection.closeGracefully();
    const ping = server.news().find(({ type }) => type === FRAME.PING);
    server.opened[0]?.stream.sendHeaders(TRAILERS, true);
    await server.turn();
    expect([server.connection.openStreams, server.socket.destroyed]).toEqual([0, false]);
    server.say(headers(3, REQUEST, ENDS), frame(FRAME.PING, FLAG.ACK, 0, ping?.payload));
    await server.turn();
    expect([server.opened.length, server.socket.destroyed]).toEqual([2, false]);
    server.opened[1]?.stream.sendHeaders(TRAILERS, true);
    await server.turn();
    expect([server.socket.destroyed, server.closes.length]).toEqual([true, 1]);
  });

  it('a destroyed connection does not wait for its socket', async () => {
    const client = await Wired.ready('client');
    client.connection.destroy(new Error('cut'));
    expect([client.socket.destroyed, client.socket.soon]).toEqual([true, false]);
  });

  it('the reason for the end of a connection has at most 200 characters', async () => {
    const onReady = () => {
      throw new Error('x'.repeat(1000));
    };
    const client = new Wired('client', { events: { onReady, onClose: () => undefined } });
    client.say(frame(FRAME.SETTINGS));
    await client.turn();
    expect(client.news().at(-1)?.payload).toHaveLength(8 + 200);
  });
});

describe('the numbers of streams', () => {
  it('a server accepts rising odd numbers, and as many at a time as it has announced', async () => {
    const server = await Wired.ready('server', { maxStreams: 2 });
    server.say(headers(3), headers(9), headers(11));
    await server.turn();
    expect(server.opened.map(({ stream }) => stream.id)).toEqual([3, 9]);
    expect(server.news().map(({ type, stream, payload }) => [type, stream, payload.readUInt32BE(0)])).toEqual([
      [FRAME.RST_STREAM, 11, H2_ERROR.REFUSED_STREAM],
    ]);
    server.say(frame(FRAME.RST_STREAM, 0, 3, zeros(4)), headers(13));
    expect(server.opened.at(-1)?.stream.id).toBe(13);
  });

  it('a client counts up by two, in the order in which its streams begin', async () => {
    const client = await Wired.ready('client');
    const streams = Array.from({ length: 3 }, () => client.connection.request(REQUEST, new StreamEvents()));
    await client.turn();
    expect(streams.map(({ id }) => id)).toEqual([1, 3, 5]);
    expect(client.connection.openStreams).toBe(3);
  });
});

describe('PINGs', () => {
  it('answers carry the same eight bytes, and several PINGs have several answers', async () => {
    const server = await Wired.ready('server');
    server.say(frame(FRAME.PING, 0, 0, Buffer.from('12345678')), frame(FRAME.PING, 0, 0, Buffer.from('abcdefgh')));
    await server.turn();
    expect(server.news().map(({ flags, payload }) => [flags, String(payload)])).toEqual([
      [FLAG.ACK, '12345678'],
      [FLAG.ACK, 'abcdefgh'],
    ]);
  });

  it('an answer belongs to the PING with its number, in any order', async () => {
    const client = await Wired.ready('client');
    const answered: string[] = [];
    for (const name of ['one', 'two', 'three']) client.connection.ping(() => answered.push(name));
    await client.turn();
    const [one, two, three] = client.news().map(({ payload }) => payload);
    const other = Buffer.concat([uint32(1), one?.subarray(4) ?? zeros(4)]);
    client.say(...[other, three, one, three, two].map((payload) => frame(FRAME.PING, FLAG.ACK, 0, payload)));
    expect(answered).toEqual(['three', 'one', 'two']);
  });

  it('after the connection is gone no PING is sent, and no callback is called', async () => {
    const client = await Wired.ready('client');
    const told: string[] = [];
    client.connection.ping(() => told.push('answered'));
    client.connection.onNextPing(() => told.push('asked'));
    client.connection.whenTaken(() => told.push('taken'));
    client.connection.destroy(new Error('gone'));
    client.connection.ping(() => told.push('later'));
    await client.turn();
    expect([told, client.closes.length, client.connection.takesStreams]).toEqual([[], 1, false]);
  });
});

it('a client that leaves without open streams announces it and closes at once', async () => {
  const client = await Wired.ready('client');
  client.connection.closeGracefully();
  client.connection.closeGracefully();
  await client.turn();
  expect(client.news()).toMatchObject([{ type: FRAME.GOAWAY, payload: zeros(8) }]);
  expect([client.socket.destroyed, client.closes.length]).toEqual([true, 1]);
});

it('the first frames: a client its preface, both their settings and the window of the connection', () => {
  const first = (role: 'client' | 'server') => {
    const { connection, socket } = new Wired(role, {
      streamWindowBytes: 100_000,
      connectionWindowBytes: 200_000,
      maxStreams: 7,
    });
    connection.flush();
    return socket.written;
  };
  const settings = (entries: [number, number][]) =>
    frame(
      FRAME.SETTINGS,
      0,
      0,
      Buffer.concat(entries.map(([id, value]) => Buffer.concat([Buffer.from([0, id]), uint32(value)]))),
    );
  const window = frame(FRAME.WINDOW_UPDATE, 0, 0, uint32(200_000 - 65_535));
  expect(first('client')).toEqual(
    Buffer.concat([
      HELLO.subarray(0, 24),
      settings([
        [SETTING.ENABLE_PUSH, 0],
        [SETTING.INITIAL_WINDOW_SIZE, 100_000],
        [SETTING.MAX_HEADER_LIST_SIZE, 32 * 1024],
      ]),
      window,
    ]),
  );
  expect(first('server')).toEqual(
    Buffer.concat([
      settings([
        [SETTING.MAX_CONCURRENT_STREAMS, 7],
        [SETTING.INITIAL_WINDOW_SIZE, 100_000],
        [SETTING.MAX_HEADER_LIST_SIZE, 32 * 1024],
      ]),
      window,
    ]),
  );
});

it('a stream whose own window is closed is blocked until it opens; one without data is not', async () => {
  const client = await Wired.ready('client');
  client.say(setting(SETTING.INITIAL_WINDOW_SIZE, 3));
  const stream = client.connection.request(REQUEST, new StreamEvents());
  await client.turn();
  expect(stream.isBlocked).toBe(false);
  stream.sendData(Buffer.from('abcd'));
  await client.turn();
  expect([stream.isBlocked, stream.isWaiting]).toEqual([true, true]);
  client.say(frame(FRAME.WINDOW_UPDATE, 0, 1, uint32(1)));
  await client.turn();
  expect([stream.isBlocked, stream.isWaiting]).toEqual([false, false]);
});

describe('a stream that is over', () => {
  it.each`
    how                    | ends
    ${'reset from here'}   | ${(client: Wired, stream: Http2Stream) => void (client && stream.reset(H2_ERROR.CANCEL))}
    ${'reset by the peer'} | ${(client: Wired) => client.say(frame(FRAME.RST_STREAM, 0, 1, uint32(8)))}
    ${'ended at both ends'} | ${(client: Wired, stream: Http2Stream) => {
  stream.end();
  client.say(headers(1, ANSWER), headers(1, TRAILERS, ENDS));
}}
  `('($how) sends nothing more, whatever is requested', async ({ ends }) => {
    const client = await Wired.ready('client');
    const stream = client.connection.request(REQUEST, new StreamEvents());
    await client.turn();
    ends(client, stream);
    await client.turn();
    client.news();
    stream.end();
    stream.reset(H2_ERROR.CANCEL);
    expect([stream.sendData(Buffer.from('x')), stream.sendHeaders(TRAILERS, true)]).toEqual([false, false]);
    await client.turn();
    expect([client.news(), stream.isClosed, client.connection.openStreams]).toEqual([[], true, 0]);
  });
});

it('a stream that the peer has reset is not ended by data in transit', async () => {
  const client = await Wired.ready('client');
  const stream = client.connection.request(REQUEST, new StreamEvents());
  stream.sendData(Buffer.from('x'));
  client.say(frame(FRAME.RST_STREAM, 0, 1, uint32(8)));
  stream.end();
  await client.turn();
  expect(client.news().map(({ type, flags }) => [type, flags])).toEqual([
    [FRAME.HEADERS, FLAG.END_HEADERS],
    [FRAME.DATA, 0],
  ]);
});

describe('an exception behind a connection costs one stream, and is reported', () => {
  const fault = () => {
    throw new Error('a fault');
  };

  it.each`
    where            | listener                | says
    ${'at the head'} | ${{ onHeaders: fault }} | ${[headers(1, ANSWER)]}
    ${'at data'}     | ${{ onData: fault }}    | ${[headers(1, ANSWER), data(1, 'x')]}
    ${'at the end'}  | ${{ onEnd: fault }}     | ${[headers(1, ANSWER, ENDS)]}
  `('$where', async ({ listener, says }) => {
    const client = await Wired.ready('client');
    const received = Object.assign(new StreamEvents(), listener);
    const other = new StreamEvents();
    client.connection.request(REQUEST, received);
    client.connection.request(REQUEST, other);
    await client.turn();
    client.news();
    client.say(...says, headers(3, ANSWER));
    await client.turn();
    expect(client.faults.map(({ message }) => message)).toEqual(['a fault']);
    expect(client.news()).toMatchObject([
      { type: FRAME.RST_STREAM, stream: 1, payload: uint32(H2_ERROR.INTERNAL_ERROR) },
    ]);
    expect([client.closes, client.connection.openStreams, other.lists.length]).toEqual([[], 1, 1]);
  });

  it('when a stream is lost, when it may send again, and when a PING is answered', async () => {
    const client = await Wired.ready('client');
    const lost = Object.assign(new StreamEvents(), { onClose: fault });
    const waits = Object.assign(new StreamEvents(), { onWritable: fault });
    client.connection.request(REQUEST, lost);
    client.connection.request(REQUEST, waits).sendData(Buffer.alloc(70_000));
    client.connection.ping(fault);
    client.connection.onNextPing(fault);
    await client.turn();
    const ping = client.news().find(({ type }) => type === FRAME.PING);
    client.say(frame(FRAME.RST_STREAM, 0, 1, uint32(8)));
    client.say(frame(FRAME.PING, FLAG.ACK, 0, ping?.payload), frame(FRAME.PING, 0, 0, zeros(8)));
    client.say(frame(FRAME.WINDOW_UPDATE, 0, 3, uint32(70_000)), frame(FRAME.WINDOW_UPDATE, 0, 0, uint32(70_000)));
    await client.turn();
    expect([client.faults.length, client.closes, client.connection.openStreams]).toEqual([4, [], 0]);
    expect(waits.closed).toMatchObject([{ message: 'a fault', unprocessed: false, allDataRead: false }]);
  });

  it('when a request opens a stream; the next one is served', async () => {
    const server = await Wired.ready('server');
    const push = server.opened.push.bind(server.opened);
    server.opened.push = fault;
    server.say(headers(1));
    server.opened.push = push;
    server.say(headers(3));
    await server.turn();
    expect(server.news()).toMatchObject([{ type: FRAME.RST_STREAM, stream: 1 }]);
    expect([server.faults.length, server.opened.length, server.connection.openStreams]).toEqual([1, 1, 1]);
  });

  it('within the connection itself ends it, and the peer is told', async () => {
    const faults: Error[] = [];
    const closes: Error[] = [];
    const events = {
      onReady: fault,
      onFault: (error: Error) => faults.push(error),
      onClose: (error: Error) => closes.push(error),
    };
    const client = new Wired('client', { events });
    client.say(frame(FRAME.SETTINGS));
    await client.turn();
    expect([faults.length, closes.length, client.socket.destroyed]).toEqual([1, 1, true]);
    const last = client.news().at(-1);
    expect([last?.type, last?.payload.readUInt32BE(4)]).toEqual([FRAME.GOAWAY, H2_ERROR.INTERNAL_ERROR]);
  });
});

describe('the largest frame that a peer accepts', () => {
  it.each`
    says      | frames
    ${16_384} | ${[16_384, 16_384, 7232]}
    ${20_000} | ${[16_384, 16_384, 7232]}
  `('$says bytes: frames of $frames', async ({ says, frames }) => {
    const client = await Wired.ready('client');
    client.say(setting(SETTING.MAX_FRAME_SIZE, says));
    client.connection.request(REQUEST, new StreamEvents()).sendData(Buffer.alloc(40_000));
    await client.turn();
    const sent = client.news().filter(({ type }) => type === FRAME.DATA);
    expect(sent.map(({ payload }) => payload.length)).toEqual(frames);
  });
});

describe('bytes produced in the outbox', () => {
  const payload = (text: string): Payload => ({
    length: text.length,
    writeTo: (memory: Buffer, at: number) => void memory.write(text, at),
    kept() {
      return this;
    },
  });

  it.each`
    window | first             | rest
    ${0}   | ${[]}             | ${['0123456789']}
    ${4}   | ${['0123']}       | ${['456789']}
    ${10}  | ${['0123456789']} | ${[]}
  `('with a window of $window: $first, then $rest and the end', async ({ window, first, rest }) => {
    const client = await Wired.ready('client');
    client.say(setting(SETTING.INITIAL_WINDOW_SIZE, window));
    const received = new StreamEvents();
    const stream = client.connection.request(REQUEST, received);
    let sent = 0;
    stream.sendData(payload('0123456789'), false, () => {
      sent += 1;
    });
    stream.sendData(payload(''), true);
    await client.turn();
    const texts = () =>
      client
        .news()
        .filter(({ type }) => type === FRAME.DATA)
        .map(({ payload: bytes }) => String(bytes))
        .filter((text) => text !== '');
    expect([texts(), sent]).toEqual([first, rest.length === 0 ? 1 : 0]);
    client.say(frame(FRAME.WINDOW_UPDATE, 0, 1, uint32(100)));
    await client.turn();
    expect([texts(), sent, stream.hasEnded, received.writable]).toEqual([rest, 1, true, 0]);
  });
});
