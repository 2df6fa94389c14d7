import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { FakeClock } from '@fnfleet/core';
import { encodeRunnerMessage, NOTHING_REPORTED, protoRoot, type RunnerMessage, StreamError } from '@fnfleet/protocol';
import { anOutboundCall, eventually, FixedBody, freePort, TEST_LINK } from '@fnfleet/testing';
import { type GrpcRunnerOptions, newGrpcRunner } from './grpc-runner.js';
import type { Runner } from './runner.js';

const never = new AbortController().signal;
const UNREACHABLE = { kind: 'refused', reason: 'unreachable' };

/** A peer whose every frame the test controls: responses are seen on the wire only. */
class Peer {
  private readonly server: http2.Http2Server;
  private readonly sessions = new Set<http2.ServerHttp2Session>();
  connections = 0;
  streams = 0;
  pings = 0;

  constructor(script: (stream: http2.ServerHttp2Stream, session: http2.ServerHttp2Session, path: string) => void) {
    this.server = http2.createServer();
    this.server.on('session', (session) => {
      this.connections += 1;
      this.sessions.add(session);
      session.on('ping', () => {
        this.pings += 1;
      });
      session.once('close', () => this.sessions.delete(session));
    });
    this.server.on('sessionError', () => undefined);
    this.server.on('stream', (stream, headers) => {
      this.streams += 1;
      stream.on('error', () => undefined);
      script(stream, stream.session as http2.ServerHttp2Session, `${headers[':path']}`);
    });
  }

  /** @param port 0 selects a free port */
  async listen(port = 0): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    return (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const session of this.sessions) session.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

function respond(stream: http2.ServerHttp2Stream): void {
  if (!stream.headersSent) {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': 0 }));
  }
}

function send(stream: http2.ServerHttp2Stream, message: RunnerMessage): void {
  respond(stream);
  const bytes = encodeRunnerMessage(message);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  stream.write(Buffer.concat([head, bytes]));
}

const finished = (parts: object): RunnerMessage => ({ kind: 'finished', report: { ...NOTHING_REPORTED, ...parts } });
const DONE = finished({ success: true });

/** Reads the whole body, then answers. */
function serve(stream: http2.ServerHttp2Stream): void {
  stream.resume().once('end', () => {
    send(stream, DONE);
    stream.end();
  });
}

const opened: (Runner | Peer)[] = [];

async function withPeer(script: ConstructorParameters<typeof Peer>[0], options: GrpcRunnerOptions = {}) {
  const peer = new Peer(script);
  const port = await peer.listen(await freePort());
  const runner = newGrpcRunner(`127.0.0.1:${port}`, { ...TEST_LINK, ...options });
  opened.push(runner, peer);
  return { peer, runner, port };
}

afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});

describe('a stream that was not processed', () => {
  const body = () => new FixedBody(Buffer.from('the whole body'));

  it('REFUSED_STREAM: the peer guarantees that nothing ran, so the call goes on to the next runner', async () => {
    const { peer, runner } = await withPeer((stream) => {
      if (peer.streams === 1) stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
      else serve(stream);
    });
    const call = anOutboundCall({ body: body() });
    expect(await runner.tryCall(call, never)).toMatchObject(UNREACHABLE);
    expect(call).toMatchObject({ starts: 0, reruns: 0, body: { committed: false } });
    expect(await runner.tryCall(call, never)).toMatchObject({ kind: 'finished' });
  });

  it('REFUSED_STREAM in the middle of a body that the peer has begun to read', async () => {
    const { runner } = await withPeer((stream) => {
      stream.once('data', () => stream.close(http2.constants.NGHTTP2_REFUSED_STREAM));
    });
    const call = anOutboundCall({ body: new FixedBody(Buffer.alloc(1024 * 1024), 10_000) });
    expect(await runner.tryCall(call, never)).toMatchObject(UNREACHABLE);
  });

  it.each(['NGHTTP2_CANCEL', 'NGHTTP2_INTERNAL_ERROR', 'NGHTTP2_ENHANCE_YOUR_CALM'] as const)(
    'reset with %s may have run',
    async (code) => {
      const { runner } = await withPeer((stream) => {
        stream.resume().once('end', () => stream.close(http2.constants[code]));
      });
      expect(await runner.tryCall(anOutboundCall({ body: body() }), never)).toMatchObject({
        kind: 'failed',
        blame: 'runner',
      });
    },
  );
});

it.each`
  what                                    | bytes                                      | blame
  ${'larger than the limit'}              | ${framed(0, 4 * 1024 * 1024 + 1)}          | ${'caller'}
  ${'compressed, although not requested'} | ${framed(1, 3, Buffer.from('abc'))}        | ${'runner'}
  ${'unreadable'}                         | ${framed(0, 2, Buffer.from([0x12, 0xff]))} | ${'runner'}
`('a message of a runner that is $what fails the call, and the $blame is to blame', async ({ bytes, blame }) => {
  const { runner } = await withPeer((stream) => {
    stream.resume().once('end', () => {
      respond(stream);
      stream.write(bytes);
    });
  });
  expect(await runner.tryCall(anOutboundCall(), never)).toMatchObject({ kind: 'failed', blame });
});

/** @param length as stated by the frame; the available part of the message follows */
function framed(flags: number, length: number, message = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, message]);
}

describe('a runner that does not end its streams', () => {
  it.each`
    body              | bytes
    ${'a whole body'} | ${10}
    ${'half a body'}  | ${50_000_000}
  `('does not keep a runner object from closing: its end after $body', async ({ bytes }) => {
    const { runner } = await withPeer((stream) => {
      // With half a body the rest waits for a window update that never comes.
      stream.once('data', () =>
        send(stream, finished({ errorCode: 502, errorText: 'function failed', errorUser: true })),
      );
      if (bytes > 1000) stream.once('data', () => stream.pause());
    });
    const call = anOutboundCall({ body: new FixedBody(Buffer.alloc(bytes), 10_000) });
    expect(await runner.tryCall(call, never)).toMatchObject({ kind: 'failed', error: { status: 502 } });
    expect(call.body.openReaders).toBe(0);
    await runner.close();
  });
});

it.each`
  answer         | messages
  ${'an answer'} | ${[{ kind: 'resultStart', status: 200, headers: [] }, DONE]}
  ${'an error'}  | ${[finished({ errorCode: 502, errorUser: true })]}
  ${'a refusal'} | ${[finished({ errorCode: 503 })]}
`('$answer that comes before the whole body ends the upload', async ({ messages }) => {
  const closed = Promise.withResolvers<void>();
  const bytes = 50_000_000;
  let received = 0;
  const { runner, peer } = await withPeer((stream) => {
    stream.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    stream.once('data', () => {
      for (const message of messages) send(stream, message);
      stream.end();
    });
    stream.once('close', () => closed.resolve());
  });
  const call = anOutboundCall({ body: new FixedBody(Buffer.alloc(bytes), 10_000) });
  await runner.tryCall(call, never);
  expect(call.body.openReaders).toBe(0);
  await closed.promise;
  expect(received).toBeLessThan(bytes / 2);
  expect([peer.connections, peer.streams]).toEqual([1, 1]);
});

describe('a runner that cannot be reached', () => {
  it('is left alone longer each time, and as briefly as at first after it was reached', async () => {
    const clock = new FakeClock();
    const { peer, runner, port } = await withPeer(serve, {
      clock,
      random: () => 1,
      backoff: { initialMs: 100, maxMs: 100_000 },
    });
    const ask = async () => {
      const outcome = await runner.tryCall(anOutboundCall(), never);
      return outcome.kind === 'refused' && /ECONNREFUSED/.test(outcome.error.message) ? 'out of reach' : outcome.kind;
    };
    /** With the peer back: whether it is tried after this time, and not before. */
    const asksAfter = async (ms: number) => {
      const again = new Peer(serve);
      await again.listen(port);
      opened.push(again);
      await clock.advance(ms - 1);
      expect([ms, await ask(), again.connections]).toEqual([ms, 'out of reach', 0]);
      await clock.advance(1);
      expect([ms, await ask(), again.connections]).toEqual([ms, 'finished', 1]);
      await again.close();
      opened.splice(opened.indexOf(again), 1);
    };
    expect(await ask()).toBe('finished');
    await peer.close();
    opened.splice(opened.indexOf(peer), 1);

    for (const ms of [100, 200, 400]) {
      await untilGone(ask);
      await clock.advance(ms);
    }
    await untilGone(ask);
    await asksAfter(800);

    await untilGone(ask);
    await asksAfter(100);
  });
});

/** The end of a connection takes a moment to be noticed. */
async function untilGone(ask: () => Promise<string>): Promise<void> {
  while ((await ask()) !== 'out of reach') await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('a status that does not arrive', () => {
  const failure = (runner: Runner) =>
    runner.status().then(
      () => undefined,
      (error: unknown) => (error instanceof StreamError ? { unreachable: error.unreachable } : error),
    );

  it.each<[string, boolean, ConstructorParameters<typeof Peer>[0]]>([
    ['is reset', false, (stream) => stream.close(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM)],
    ['is refused', false, (stream) => stream.close(http2.constants.NGHTTP2_REFUSED_STREAM)],
    ['is answered UNAVAILABLE', false, (stream) => stream.respond(UNAVAILABLE, { endStream: true })],
    ['is answered by something else', false, (stream) => stream.respond({ ':status': 503 }, { endStream: true })],
    ['is lost with its connection', true, (_stream, session) => session.destroy()],
  ])('because it %s: unreachable is %s', async (_, unreachable, script) => {
    const { runner } = await withPeer(script);
    expect(await failure(runner)).toEqual({ unreachable });
  });

  it('because it takes too long: unreachable is false', async () => {
    const clock = new FakeClock();
    const { peer, runner } = await withPeer(() => undefined, { clock, statusTimeoutMs: 200 });
    const failed = failure(runner);
    await eventually(() => expect(peer.streams).toBe(1));
    await clock.advance(200);
    expect(await failed).toEqual({ unreachable: false });
  });

  it('because nobody listens: unreachable', async () => {
    const peer = new Peer(serve);
    const port = await peer.listen();
    await peer.close();
    const runner = newGrpcRunner(`127.0.0.1:${port}`, TEST_LINK);
    opened.push(runner);
    expect(await failure(runner)).toEqual({ unreachable: true });
  });
});

describe('a runner that is unresponsive while it serves a call', () => {
  const ofFn = statusMessage({});
  const ours = statusMessage({ load: {} });

  it.each`
    story                                               | statuses              | asked
    ${'gets a PING if it is ours'}                      | ${[ours]}             | ${true}
    ${'gets no PING if it is one of Fn'}                | ${[ofFn]}             | ${false}
    ${'gets none once one of Fn has taken its address'} | ${[ours, ofFn]}       | ${false}
    ${'gets PINGs again once it is ours again'}         | ${[ours, ofFn, ours]} | ${true}
  `('$story', async ({ statuses, asked }) => {
    const clock = new FakeClock();
    let answered = 0;
    const { runner, peer } = await withPeer(
      (stream, _session, path) => {
        if (path !== '/RunnerProtocol/Status') return;
        respond(stream);
        stream.end(statuses[answered] ?? ofFn);
        answered += 1;
      },
      { clock },
    );
    let loads = 0;
    runner.subscribe?.(() => {
      loads += 1;
    });
    for (const _ of statuses) await runner.status();
    expect(loads).toBe(statuses.filter((status: Buffer) => status === ours).length);

    const caller = new AbortController();
    const outcome = runner.tryCall(anOutboundCall(), caller.signal);
    await eventually(() => expect(peer.streams).toBe(statuses.length + 1));
    await clock.advance(4_000);
    // What was sent before this has arrived by the time it is answered.
    await runner.status();
    const { pings } = peer;
    caller.abort();
    await outcome;
    expect(pings > 0).toBe(asked);
  });
});

/** @param fields as `proto/runner.proto` names them */
function statusMessage(fields: object): Buffer {
  const message = Buffer.from(protoRoot().lookupType('RunnerStatus').encode(fields).finish());
  return framed(0, message.length, message);
}

const UNAVAILABLE = { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': 14 };
