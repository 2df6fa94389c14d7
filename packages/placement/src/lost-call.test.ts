import http2 from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import {
  ACCEPT_HEADER,
  ACCEPT_STARTED,
  type AttemptOutcome,
  encodeRunnerMessage,
  NOTHING_REPORTED,
  type RunnerMessage,
  STARTED_HEADER,
  type StartAckMode,
  startAckHeader,
} from '@fnfleet/protocol';
import { anOutboundCall, FixedBody, TEST_LINK, type TestCall } from '@fnfleet/testing';
import { newGrpcRunner } from './grpc-runner.js';

const never = new AbortController().signal;

/** An engagement on a runner that is about to be lost. */
interface Engaged {
  readonly headers: http2.IncomingHttpHeaders;
  readonly stream: http2.ServerHttp2Stream;
  readonly session: http2.ServerHttp2Session;
  announce(promise?: StartAckMode): void;
  send(message: RunnerMessage): void;
  end(status: number): void;
}

type Script = (engaged: Engaged) => void | Promise<void>;

/** Offers calls, one after another, to a runner that runs the script when the whole body has arrived. The last one counts. */
function offerTo(script: Script, ...calls: [TestCall, ...TestCall[]]): Promise<AttemptOutcome> {
  return offerThrough((port) => ({ port, close: () => undefined }), script, calls);
}

/** @param network leads from another port to that of the runner */
async function offerThrough(
  network: (port: number) => { port: number; close(): void } | Promise<{ port: number; close(): void }>,
  script: Script,
  calls: [TestCall, ...TestCall[]],
): Promise<AttemptOutcome> {
  const sessions: http2.ServerHttp2Session[] = [];
  const server = http2.createServer();
  server.on('session', (session) => sessions.push(session));
  server.on('sessionError', () => undefined);
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    stream.resume().once('end', () => {
      const [session] = sessions;
      if (session === undefined) throw new Error('a stream without a session');
      void script({ headers, stream, session, ...answering(stream) });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port, close } = await network((server.address() as AddressInfo).port);
  const runner = newGrpcRunner(`127.0.0.1:${port}`, { ...TEST_LINK, keepaliveTimeoutMs: 400 });
  try {
    const [first, ...later] = calls;
    let outcome = await runner.tryCall(first, never);
    for (const call of later) outcome = await runner.tryCall(call, never);
    return outcome;
  } finally {
    await runner.close();
    close();
    for (const session of sessions) session.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

function answering(stream: http2.ServerHttp2Stream): Pick<Engaged, 'announce' | 'send' | 'end'> {
  const respond = (more: http2.OutgoingHttpHeaders = {}) =>
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...more }, { waitForTrailers: true });
  return {
    announce: (promise = 'announced') => respond({ [STARTED_HEADER]: startAckHeader(promise) }),
    send(message) {
      if (!stream.headersSent) respond();
      const bytes = encodeRunnerMessage(message);
      const head = Buffer.alloc(5);
      head.writeUInt32BE(bytes.length, 1);
      stream.write(Buffer.concat([head, bytes]));
    },
    end(status) {
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }));
      stream.end();
    },
  };
}

const STARTED: RunnerMessage = { kind: 'started' };
const HEAD: RunnerMessage = { kind: 'resultStart', status: 200, headers: [] };

/** How a runner can disappear. What it has sent before has left it. */
const WAYS: Readonly<Record<string, Script>> = {
  'the connection is closed': ({ session }) => session.destroy(),
  'the connection is reset': ({ session }) =>
    (session.socket as unknown as { resetAndDestroy(): void }).resetAndDestroy(),
  'a GOAWAY with an error ends it': ({ session }) => session.goaway(http2.constants.NGHTTP2_INTERNAL_ERROR),
  'the stream is reset': ({ stream }) => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR),
  'the stream is cancelled': ({ stream }) => stream.close(http2.constants.NGHTTP2_CANCEL),
};
const ways = Object.entries(WAYS);
/** Until the balancer has read what was sent. A PING may overtake frames of the same turn. */
async function hasRead(session: http2.ServerHttp2Session): Promise<void> {
  for (let times = 0; times < 2; times += 1) await new Promise((answered) => session.ping(answered));
}
/** Until what was sent is on the network and was read: both ends live in this process. */
const delivered = () => new Promise((resolve) => setTimeout(resolve, 20));

describe('P6: a call whose runner is lost', () => {
  it('asks for the start acknowledgement', async () => {
    let asked: unknown;
    await offerTo((e) => {
      asked = e.headers[ACCEPT_HEADER];
      e.stream.close();
    }, anOutboundCall());
    expect(asked).toBe(ACCEPT_STARTED);
  });

  it.each(ways)('before it started, from a runner that announced `started`: nothing ran (%s)', async (_, lose) => {
    const call = anOutboundCall({ body: new FixedBody(Buffer.from('the whole body')) });
    const outcome = await offerTo(async (e) => {
      e.announce();
      await delivered();
      await lose(e);
    }, call);
    expect(outcome).toMatchObject({ kind: 'refused', reason: 'unreachable' });
    expect(call).toMatchObject({ starts: 0, reruns: 0, body: { committed: false } });
  });

  it.each(ways)('after `started` it may have run (%s)', async (_, lose) => {
    const call = anOutboundCall();
    const outcome = await offerTo(async (e) => {
      e.announce();
      e.send(STARTED);
      await delivered();
      await lose(e);
    }, call);
    expect(outcome.kind).toBe('failed');
    expect(call).toMatchObject({ starts: 1, body: { committed: true } });
  });

  it('a `started` that arrives together with the reset of its stream is not overlooked', async () => {
    const call = anOutboundCall();
    const outcome = await offerTo((e) => {
      e.announce();
      e.send(STARTED);
      setImmediate(() => e.stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR));
    }, call);
    expect({ outcome: outcome.kind, starts: call.starts }).toEqual({ outcome: 'failed', starts: 1 });
  });

  it.each(ways)('by a runner that announced nothing it may have run, as with Fn (%s)', async (_, lose) => {
    const outcome = await offerTo(async (e) => {
      e.stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      await delivered();
      await lose(e);
    }, anOutboundCall());
    expect(outcome.kind).toBe('failed');
  });

  it('a status comes from the runner and is not a loss, started or not', async () => {
    const outcome = await offerTo((e) => {
      e.announce();
      e.end(14);
    }, anOutboundCall());
    expect(outcome).toMatchObject({ kind: 'failed', error: { code: 14 } });
  });

  it('a runner that sends unreadable data is disconnected; what it does then is unknown', async () => {
    const outcome = await offerTo((e) => {
      e.announce();
      e.stream.write(Buffer.from([0, 0, 0, 0, 1, 0xff]));
    }, anOutboundCall());
    expect(outcome).toMatchObject({ kind: 'failed' });
  });

  it('a refusal after `started` is still a refusal: the runner knows that nothing ran', async () => {
    const outcome = await offerTo((e) => {
      e.announce();
      e.send(STARTED);
      e.send({ kind: 'finished', report: { ...NOTHING_REPORTED, errorCode: 503 } });
      e.end(0);
    }, anOutboundCall());
    expect(outcome).toMatchObject({ kind: 'refused', reason: 'busy' });
  });
});

describe('P6: a call that may run again', () => {
  it.each(ways)('is offered again after `started` (%s)', async (_, lose) => {
    const call = anOutboundCall({ mayRunAgain: true });
    const outcome = await offerTo(async (e) => {
      e.announce();
      e.send(STARTED);
      await delivered();
      await lose(e);
    }, call);
    expect(outcome).toMatchObject({ kind: 'refused', reason: 'lost' });
    // P7: its body is still needed.
    expect(call).toMatchObject({ starts: 1, reruns: 1, body: { committed: false } });
  });

  it('is offered again when a runner of Fn is lost', async () => {
    const call = anOutboundCall({ mayRunAgain: true });
    expect(await offerTo(({ session }) => session.destroy(), call)).toMatchObject({ kind: 'refused', reason: 'lost' });
    expect(call.reruns).toBe(1);
  });

  it('keeps its reruns if it had not started', async () => {
    const call = anOutboundCall({ mayRunAgain: true });
    const outcome = await offerTo(async (e) => {
      e.announce();
      await delivered();
      e.session.destroy();
    }, call);
    expect(outcome).toMatchObject({ kind: 'refused', reason: 'unreachable' });
    expect(call.reruns).toBe(0);
  });

  it('is not offered again once a part of its answer has been seen', async () => {
    const call = anOutboundCall({ mayRunAgain: true });
    const outcome = await offerTo(async (e) => {
      e.announce();
      e.send(STARTED);
      e.send(HEAD);
      await delivered();
      e.session.destroy();
    }, call);
    expect(outcome.kind).toBe('failed');
    expect(call).toMatchObject({ reruns: 0, body: { committed: true } });
  });

  it('fails when its function failed: that is an answer', async () => {
    const call = anOutboundCall({ mayRunAgain: true });
    const outcome = await offerTo((e) => {
      e.announce();
      e.send(STARTED);
      e.send({ kind: 'finished', report: { ...NOTHING_REPORTED, errorCode: 502, errorText: 'function failed' } });
      e.end(0);
    }, call);
    expect(outcome).toMatchObject({ kind: 'failed', error: { status: 502 } });
    expect(call.reruns).toBe(0);
  });
});

describe('P6: a network that is cut without notice', () => {
  /** Forwards until it is cut; after that neither end receives anything, not even that the other is gone. */
  async function cuttable() {
    const links: [net.Socket, net.Socket][] = [];
    let whole = true;
    const listen = async (port: number) => {
      const proxy = net.createServer((near) => {
        const far = net.connect(port, '127.0.0.1');
        links.push([near, far]);
        near.on('data', (chunk) => whole && far.write(chunk)).on('error', () => undefined);
        far.on('data', (chunk) => whole && near.write(chunk)).on('error', () => undefined);
      });
      await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
      const close = () => {
        for (const socket of links.flat()) socket.destroy();
        proxy.close();
      };
      return { port: (proxy.address() as AddressInfo).port, close };
    };
    const cut = () => {
      whole = false;
    };
    return { listen, cut };
  }

  const UNREACHABLE = { kind: 'refused', reason: 'unreachable' };

  it.each<[StartAckMode, 'nothing' | '`started`' | '`started` and a PING', object]>([
    ['confirmed', 'nothing', UNREACHABLE],
    ['confirmed', '`started`', UNREACHABLE],
    ['confirmed', '`started` and a PING', { kind: 'failed' }],
    ['announced', 'nothing', { kind: 'failed' }],
    ['announced', '`started`', { kind: 'failed' }],
  ])('a runner that announced “%s”, from which %s arrived', async (promise, came, expected) => {
    const network = await cuttable();
    const outcome = await offerThrough(
      network.listen,
      async (e) => {
        e.announce(promise);
        await hasRead(e.session);
        if (came !== 'nothing') e.send(STARTED);
        await delivered();
        // It has arrived when it is answered.
        if (came === '`started` and a PING') await new Promise((answered) => e.session.ping(answered));
        network.cut();
      },
      [anOutboundCall()],
    );
    expect(outcome).toMatchObject(expected);
  });
});

it.each(ways)(
  'P6: lost before the runner answered at all, on a connection where it has announced before: %s',
  async (_, lose) => {
    let engagements = 0;
    const outcome = await offerTo(
      async (engaged) => {
        engagements += 1;
        if (engagements === 2) return lose(engaged);
        engaged.announce();
        engaged.send(STARTED);
        engaged.send({ kind: 'finished', report: { ...NOTHING_REPORTED, success: true } });
        engaged.end(0);
      },
      anOutboundCall(),
      anOutboundCall(),
    );
    expect(outcome).toMatchObject({ kind: 'refused', reason: 'unreachable' });
  },
);
