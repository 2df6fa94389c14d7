import http2 from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import { decodeBinaryTrace, FakeClock, type MonoMs, NO_TRACE } from '@fnfleet/core';
import type { RunnerMessage } from '../engage/messages.js';
import { STARTED_HEADER } from '../engage/start-ack.js';
import type { StreamEnd, StreamError } from '../engage/stream.js';
import { encodeRunnerMessage, NOTHING_REPORTED } from '../wire/codec.js';
import { frameMessage } from './grpc-frames.js';
import { RunnerChannel } from './runner-channel.js';

const FINISHED: RunnerMessage = { kind: 'finished', report: { ...NOTHING_REPORTED, success: true } };
const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_REFUSED_STREAM } = http2.constants;

type OnStream = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void;

/** A runner on node:http2: the test decides what happens to its streams. */
class NodeRunner {
  readonly sessions: http2.ServerHttp2Session[] = [];
  onStream: OnStream = answer;
  private readonly server: http2.Http2Server;

  constructor(settings: http2.Settings = {}) {
    this.server = http2.createServer({ settings });
    this.server.on('session', (session) => this.sessions.push(session));
    this.server.on('sessionError', () => undefined);
    this.server.on('stream', (stream, headers) => {
      stream.on('error', () => undefined);
      this.onStream(stream, headers);
    });
  }

  get open(): number {
    return this.sessions.filter((session) => !session.closed).length;
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const session of this.sessions) session.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

function answer(stream: http2.ServerHttp2Stream): void {
  stream.resume().once('end', () => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': 0 }));
    stream.end(frameMessage(encodeRunnerMessage(FINISHED)));
  });
}

/** Holds a stream until it is released. */
class Waiting {
  private readonly streams: http2.ServerHttp2Stream[] = [];
  readonly hold: OnStream = (stream) => void this.streams.push(stream);

  get size(): number {
    return this.streams.length;
  }

  release(): void {
    for (const stream of this.streams.splice(0)) answer(stream);
  }
}

let runner: NodeRunner;
let channel: RunnerChannel;
let clock: FakeClock;

async function start(settings?: http2.Settings, options: ConstructorParameters<typeof RunnerChannel>[1] = {}) {
  runner = new NodeRunner(settings);
  clock = new FakeClock();
  channel = new RunnerChannel(await runner.listen(), { clock, random: () => 1, ...options });
}

afterEach(async () => {
  await channel.close();
  expect(clock.pendingTimers).toBe(0);
  await runner.close();
});

/** One engagement: how it ended, and what it received. */
function call(body = 'hello'): Promise<StreamEnd & { kinds: string[] }> {
  return new Promise((resolve) => {
    const kinds: string[] = [];
    const stream = channel.engage(
      { requestId: 'r1' },
      {
        onMessage: ({ kind }) => kinds.push(kind),
        onWritable: () => undefined,
        onEnd: (end) => resolve({ ...end, kinds }),
      },
    );
    stream.send({ kind: 'try', callJson: '{}', slotHash: '', extensions: {} });
    stream.send({ kind: 'data', data: Buffer.from(body), eof: true });
    stream.halfClose();
  });
}

const OK = { code: 0, kinds: ['finished'] };
const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
};

/** Resolves when the channel has read what the runner has sent on this connection: it answers PINGs in order. */
async function hasRead(session: http2.ServerHttp2Session | undefined): Promise<void> {
  // A PING overtakes the frames that are sent in the same turn.
  for (let times = 0; times < 2; times += 1) await new Promise<void>((resolve) => session?.ping(() => resolve()));
}

it('calls share a connection, one after another and concurrently', async () => {
  await start();
  await call();
  for (const end of await Promise.all(Array.from({ length: 100 }, () => call()))) expect(end).toMatchObject(OK);
  expect(runner.sessions).toHaveLength(1);
});

describe('a connection that accepts no more streams is replaced', () => {
  it("because its runner's limit is reached: it finishes its streams, and then closes", async () => {
    await start({ maxConcurrentStreams: 2 });
    await call(); // until then nobody knows
    const waiting = new Waiting();
    runner.onStream = waiting.hold;
    const ends = [call(), call()];
    await until(() => waiting.size === 2);
    runner.onStream = answer;
    expect(await call()).toMatchObject(OK);
    expect(runner.sessions).toHaveLength(2);
    waiting.release();
    for (const end of await Promise.all(ends)) expect(end).toMatchObject(OK);
    await until(() => runner.open === 1);
    expect(await call()).toMatchObject(OK);
    expect(runner.sessions).toHaveLength(2);
  });

  it('but their number is limited: a runner that is full everywhere is unreachable', async () => {
    await start({ maxConcurrentStreams: 1 });
    await call();
    const waiting = new Waiting();
    runner.onStream = waiting.hold;
    const ends: Promise<StreamEnd>[] = [];
    for (let held = 1; held <= 9; held += 1) {
      ends.push(call());
      await until(() => waiting.size === held);
      // Its limit arrives with its first SETTINGS, possibly after the connection is established.
      await hasRead(runner.sessions.at(-1));
    }
    expect(await call()).toMatchObject({ code: 14, mayHaveArrived: false });
    expect(runner.sessions).toHaveLength(9);
    waiting.release();
    await Promise.all(ends);
    runner.onStream = answer;
    expect(await call()).toMatchObject(OK);
  });

  it('because the runner answers new streams with ENHANCE_YOUR_CALM, although it answers everything else', async () => {
    await start();
    await call();
    runner.onStream = (stream) => stream.close(NGHTTP2_ENHANCE_YOUR_CALM);
    expect(await call()).toMatchObject({ code: 14, mayHaveArrived: true });
    runner.onStream = answer;
    expect(await call()).toMatchObject(OK);
    expect(runner.sessions).toHaveLength(2);
    await until(() => runner.open === 1);
  });

  it('because it refuses consecutive streams; an answer in between shows that it is healthy', async () => {
    await start();
    await call();
    let refuse = 0;
    runner.onStream = (stream) => {
      refuse -= 1;
      if (refuse >= 0) stream.close(NGHTTP2_REFUSED_STREAM);
      else answer(stream);
    };
    for (let i = 0; i < 3; i += 1) {
      refuse = 2;
      for (let refused = 0; refused < 2; refused += 1) {
        expect(await call()).toMatchObject({ code: 14, mayHaveArrived: false, lost: 'allDataRead' });
      }
      expect(await call()).toMatchObject(OK);
    }
    expect(runner.sessions).toHaveLength(1);
    refuse = 3;
    for (let refused = 0; refused < 3; refused += 1) await call();
    expect(await call()).toMatchObject(OK);
    expect(runner.sessions).toHaveLength(2);
  });

  it('and a runner that refuses every stream of consecutive connections is left alone for longer and longer', async () => {
    await start({}, { backoff: { initialMs: 100, maxMs: 5000 } });
    runner.onStream = (stream) => stream.close(NGHTTP2_ENHANCE_YOUR_CALM);
    const tries: number[] = [];
    for (const delayMs of [100, 200, 400]) {
      await call(); // is refused
      expect(await call()).toMatchObject({ code: 14, mayHaveArrived: false, details: /refuses streams/ });
      await clock.advance(delayMs - 1);
      await call();
      tries.push(runner.sessions.length);
      await clock.advance(1);
    }
    expect(tries).toEqual([1, 2, 3]);
    runner.onStream = answer;
    expect(await call()).toMatchObject(OK);
  });

  it('because it closes gracefully', async () => {
    await start();
    const waiting = new Waiting();
    runner.onStream = waiting.hold;
    const first = call();
    await until(() => waiting.size === 1);
    // Its GOAWAY first: node:http2 sends no PING on a session that is being closed.
    runner.sessions[0]?.goaway();
    await hasRead(runner.sessions[0]);
    runner.sessions[0]?.close();
    runner.onStream = answer;
    expect(await call()).toMatchObject(OK);
    waiting.release();
    expect(await first).toMatchObject(OK);
    expect(runner.sessions).toHaveLength(2);
  });
});

it('close waits for open streams, but not for a runner that never closes its end', async () => {
  await start();
  await channel.close();
  const held: net.Socket[] = [];
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    held.push(socket);
    socket.on('error', () => undefined).resume();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  channel = new RunnerChannel(`127.0.0.1:${(server.address() as AddressInfo).port}`, { clock });
  const end = call();
  await until(() => held.length === 1);
  for (const socket of held) socket.destroy();
  expect(await end).toMatchObject({ code: 14 });
  await channel.close();
  await new Promise((resolve) => server.close(resolve));
});

it('a runner that ends its stream with the last message, and no trailers, does not keep the channel open', async () => {
  await start();
  runner.onStream = (stream) => {
    stream.resume().once('end', () => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      stream.end(frameMessage(encodeRunnerMessage(FINISHED)));
    });
  };
  await new Promise<void>((resolve) => {
    const stream = channel.engage(
      {},
      {
        // As a session does that knows the outcome.
        onMessage: () => {
          stream.release();
          resolve();
        },
        onWritable: () => undefined,
        onEnd: () => undefined,
      },
    );
    stream.halfClose();
  });
  await channel.close();
});

it('metadata that cannot be sent is omitted, and the call goes on', async () => {
  await start();
  const seen: unknown[] = [];
  runner.onStream = (stream, headers) => {
    seen.push(headers.fn_request_id);
    answer(stream);
  };
  for (const requestId of ['plain', 'line\nfeed', '\u{1f600}', 'x'.repeat(70_000)]) {
    const end = await new Promise<StreamEnd>((resolve) => {
      const nothing = { onMessage: () => undefined, onWritable: () => undefined };
      channel.engage({ requestId }, { ...nothing, onEnd: resolve }).halfClose();
    });
    expect(end.code).toBe(0);
  }
  expect(seen).toEqual(['plain', undefined, undefined, undefined]);
});

describe('the head of an engagement', () => {
  type Options = Parameters<RunnerChannel['engage']>[0];
  const BINARY = Buffer.from([0, 0, ...Buffer.alloc(16, 7), 1, ...Buffer.alloc(8, 9), 2, 1]).toString('base64');

  /** The heads of calls, one after another. */
  async function headsOf(...calls: Options[]): Promise<http2.IncomingHttpHeaders[]> {
    const heads: http2.IncomingHttpHeaders[] = [];
    runner.onStream = (stream, headers) => {
      heads.push(headers);
      answer(stream);
    };
    for (const options of calls) {
      await new Promise<StreamEnd>((resolve) => {
        const nothing = { onMessage: () => undefined, onWritable: () => undefined };
        channel.engage(options, { ...nothing, onEnd: resolve }).halfClose();
      });
    }
    return heads;
  }

  it('identifies gRPC and us, and asks for `started`', async () => {
    await start();
    const [head] = await headsOf({});
    expect(head).toEqual({
      ':method': 'POST',
      ':scheme': 'http',
      ':path': '/RunnerProtocol/Engage',
      ':authority': channel.address,
      'content-type': 'application/grpc',
      te: 'trailers',
      'user-agent': 'fnfleet',
      'fnfleet-accept': 'started',
      [http2.sensitiveHeaders]: [],
    });
  });

  it('has the remaining time of each call', async () => {
    await start();
    await clock.advance(500);
    const at = (deadlineAt: number) => ({ deadlineAt: deadlineAt as MonoMs });
    const heads = await headsOf(at(1500), at(1500), {}, at(2500), at(1500), { ...at(400), requestId: 'r1' });
    expect(heads.map((head) => head['grpc-timeout'])).toEqual(['1000m', '1000m', undefined, '2000m', '1000m', '0m']);
    expect(heads.map((head) => head.fn_request_id).at(-1)).toBe('r1');
  });

  it('has the trace of the call, if there is one that can be sent', async () => {
    await start();
    const trace = decodeBinaryTrace(BINARY, 'a=b');
    const heads = await headsOf({ trace }, { trace: NO_TRACE }, {}, { trace: decodeBinaryTrace(BINARY) });
    expect(heads.map((head) => [head['grpc-trace-bin'], head.tracestate])).toEqual([
      [BINARY, 'a=b'],
      [undefined, undefined],
      [undefined, undefined],
      [BINARY, undefined],
    ]);
  });

  it('a value of 4096 characters is sent, a longer one is omitted', async () => {
    await start();
    const heads = await headsOf({ requestId: 'x'.repeat(4096) }, { requestId: 'x'.repeat(4097) }, { requestId: '' });
    expect(heads.map((head) => head.fn_request_id?.length)).toEqual([4096, undefined, undefined]);
  });
});

describe('the largest message accepted from a runner', () => {
  it.each`
    what                      | options                     | bytes                  | code
    ${'4 MiB by default'}     | ${{}}                       | ${4 * 1024 * 1024}     | ${0}
    ${'the configured limit'} | ${{}}                       | ${4 * 1024 * 1024 + 1} | ${8}
    ${'what is set'}          | ${{ maxMessageBytes: 100 }} | ${101}                 | ${8}
  `('$what: $bytes bytes end with $code', async ({ options, bytes, code }) => {
    await start({}, options);
    const overhead = encodeRunnerMessage({ kind: 'data', data: Buffer.alloc(bytes), eof: false }).length - bytes;
    const message: RunnerMessage = { kind: 'data', data: Buffer.alloc(bytes - overhead), eof: false };
    runner.onStream = (stream) => {
      stream.resume().respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': 0 }));
      stream.end(frameMessage(encodeRunnerMessage(message)));
    };
    expect(await call()).toMatchObject({ code });
  });
});

describe('an RPC other than Engage', () => {
  const ask = (options: Partial<Parameters<RunnerChannel['unary']>[2]> = {}) =>
    channel.unary('/RunnerProtocol/Status', Buffer.from('ask'), { timeoutMs: 700, ...options });

  it('is one request and one answer, on the same connection', async () => {
    await start();
    await call();
    runner.onStream = (stream, headers) => {
      const asked: Buffer[] = [];
      stream.on('data', (bytes: Buffer) => asked.push(bytes));
      stream.once('end', () => {
        const said = `${headers[':path']} ${headers['grpc-timeout']} ${Buffer.concat(asked).subarray(5)}`;
        stream.respond({ ':status': 200 }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': 0 }));
        stream.end(frameMessage(Buffer.from(said)));
      });
    };
    expect(`${await ask()}`).toBe('/RunnerProtocol/Status 700m ask');
    expect(runner.sessions).toHaveLength(1);
  });

  it('fails at its time limit; the channel still closes', async () => {
    await start();
    const waiting = new Waiting();
    runner.onStream = waiting.hold;
    const asked = ask().catch((error: StreamError) => error);
    await until(() => waiting.size === 1);
    await clock.advance(700);
    expect(await asked).toMatchObject({ code: 4, unreachable: false });
    await channel.close();
  });

  it('fails as unreachable if the runner cannot be reached', async () => {
    await start();
    const { address } = channel;
    await runner.close();
    channel = new RunnerChannel(address, { clock, random: () => 1 });
    await expect(ask()).rejects.toMatchObject({ code: 14, unreachable: true });
    await channel.close();
    await expect(ask()).rejects.toMatchObject({ code: 14, unreachable: true });
  });

  it('close waits for it', async () => {
    await start();
    const waiting = new Waiting();
    runner.onStream = waiting.hold;
    const asked = ask();
    await until(() => waiting.size === 1);
    const order: string[] = [];
    const closed = channel.close().then(() => order.push('closed'));
    void asked.then(() => order.push('answered'));
    waiting.release();
    await Promise.all([asked, closed]);
    expect(order).toEqual(['answered', 'closed']);
  });
});

it('close waits for an open engagement, however often it is called', async () => {
  await start();
  const waiting = new Waiting();
  runner.onStream = waiting.hold;
  const order: string[] = [];
  const ends = [call(), call()].map((end) => end.then(() => order.push('ended')));
  await until(() => waiting.size === 2);
  const closed = [channel.close(), channel.close()].map((close) => close.then(() => order.push('closed')));
  waiting.release();
  await Promise.all([...ends, ...closed]);
  expect(order).toEqual(['ended', 'ended', 'closed', 'closed']);
});

describe('keepalive PINGs', () => {
  /** Holds a call for this time, or until the runner has got so many PINGs. @returns how many it has got */
  async function pingsWhileWaiting(before: () => void, ms: number, enough = 0): Promise<number> {
    const waiting = new Waiting();
    runner.onStream = waiting.hold;
    const end = call();
    await until(() => waiting.size === 1);
    before();
    let pings = 0;
    runner.sessions.at(-1)?.on('ping', () => {
      pings += 1;
    });
    // The next one is sent when the last one has been answered.
    for (let passed = 0; passed < ms || pings < enough; passed += 500) {
      await clock.advance(500);
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
    waiting.release();
    await end;
    return pings;
  }

  it('are not sent to a runner of Fn, but to ours, in whatever way they are recognised', async () => {
    await start();
    expect(await pingsWhileWaiting(() => undefined, 3000)).toBe(0);
    expect(await pingsWhileWaiting(() => Object.assign(channel, { isOurs: true }), 3000, 2)).toBeGreaterThan(1);
  });

  it('are sent to a runner that announced `started`', async () => {
    await start();
    runner.onStream = (stream) => {
      stream.resume().once('end', () => {
        stream.respond({ ':status': 200, [STARTED_HEADER]: '1' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': 0 }));
        stream.end();
      });
    };
    await call();
    expect(await pingsWhileWaiting(() => undefined, 3000, 2)).toBeGreaterThan(1);
  });

  it('are rare while no call waits', async () => {
    await start();
    channel.isOurs = true;
    await call();
    let pings = 0;
    runner.sessions[0]?.on('ping', () => {
      pings += 1;
    });
    for (let passed = 0; passed < 9000; passed += 500) await clock.advance(500);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect([pings, channel.isUnresponsive]).toEqual([0, false]);
  });
});
