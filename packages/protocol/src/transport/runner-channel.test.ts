import http2 from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import { FakeClock } from '@fnfleet/core';
import { encodeRunnerMessage, NOTHING_REPORTED } from '../codec.js';
import type { RunnerMessage } from '../messages.js';
import type { StreamEnd } from '../stream.js';
import { frameMessage } from './grpc-frames.js';
import { RunnerChannel } from './runner-channel.js';

const FINISHED: RunnerMessage = { kind: 'finished', report: { ...NOTHING_REPORTED, success: true } };
const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_REFUSED_STREAM } = http2.constants;

type OnStream = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void;

/** A runner on node:http2: what becomes of its streams is the test's. */
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

/** Lets a stream wait until it is let go. */
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

/** One engagement: how it ended, and what it brought. */
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

it('calls share a connection, one after another and at a time', async () => {
  await start();
  await call();
  for (const end of await Promise.all(Array.from({ length: 100 }, () => call()))) expect(end).toMatchObject(OK);
  expect(runner.sessions).toHaveLength(1);
});

describe('a connection that takes no more streams is replaced', () => {
  it('because it has as many as its runner allows: it finishes what it has, and then it goes', async () => {
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

  it('but there are not ever more of them: a runner that is full everywhere is unreachable', async () => {
    await start({ maxConcurrentStreams: 1 });
    await call();
    const waiting = new Waiting();
    runner.onStream = waiting.hold;
    const ends: Promise<StreamEnd>[] = [];
    for (let held = 1; held <= 9; held += 1) {
      ends.push(call());
      await until(() => waiting.size === held);
      // Its limit comes with its first SETTINGS, which may come later than it is connected.
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(await call()).toMatchObject({ code: 14, mayHaveArrived: false });
    expect(runner.sessions).toHaveLength(9);
    waiting.release();
    await Promise.all(ends);
    runner.onStream = answer;
    expect(await call()).toMatchObject(OK);
  });

  it('because the runner says ENHANCE_YOUR_CALM to new streams, though it answers everything else', async () => {
    await start();
    await call();
    runner.onStream = (stream) => stream.close(NGHTTP2_ENHANCE_YOUR_CALM);
    expect(await call()).toMatchObject({ code: 14, mayHaveArrived: true });
    runner.onStream = answer;
    expect(await call()).toMatchObject(OK);
    expect(runner.sessions).toHaveLength(2);
    await until(() => runner.open === 1);
  });

  it('because it refuses streams one after another; an answer in between shows that it is well', async () => {
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
        expect(await call()).toMatchObject({ code: 14, mayHaveArrived: false, lost: 'heardOut' });
      }
      expect(await call()).toMatchObject(OK);
    }
    expect(runner.sessions).toHaveLength(1);
    refuse = 3;
    for (let refused = 0; refused < 3; refused += 1) await call();
    expect(await call()).toMatchObject(OK);
    expect(runner.sessions).toHaveLength(2);
  });

  it('and a runner that refuses every stream of one connection after another is left alone for longer and longer', async () => {
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

  it('because it says goodbye', async () => {
    await start();
    const waiting = new Waiting();
    runner.onStream = waiting.hold;
    const first = call();
    await until(() => waiting.size === 1);
    runner.sessions[0]?.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    runner.onStream = answer;
    expect(await call()).toMatchObject(OK);
    waiting.release();
    expect(await first).toMatchObject(OK);
    expect(runner.sessions).toHaveLength(2);
  });
});

it('close waits for what is in hand, and not for a runner that never closes its end', async () => {
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

it('metadata that cannot travel stays behind, and the call goes', async () => {
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
