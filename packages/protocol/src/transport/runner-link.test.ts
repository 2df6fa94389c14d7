import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import tls from 'node:tls';
import { FakeClock, type Logger, silentLogger, systemClock } from '@fnfleet/core';
import { fixedIdentity, issueCertificate, newAuthority, parseAltName } from '@fnfleet/tls';
import { encodeHeaders } from './hpack/encoder.js';
import { type LinkOptions, RunnerLink } from './runner-link.js';
import type { RunnerPeer } from './runner-peer.js';
import { frame, framesIn, SETTINGS, uint32 } from './test-kit/frames.js';
import { StreamEvents } from './test-kit/wired.js';
import { FLAG, FRAME, H2_ERROR } from './wire.js';

const REQUEST = encodeHeaders([
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/x'],
]);
const GOAWAY = frame(FRAME.GOAWAY, 0, 0, Buffer.concat([uint32(1), uint32(0)]));

const authority = newAuthority({ commonName: 'fleet CA', days: 30, nowMs: systemClock.wallNow() });
function identity(name: string, role = name) {
  const altNames = [name, '127.0.0.1', `urn:fnfleet:role:${role}`].map(parseAltName);
  const own = issueCertificate(authority, { commonName: name, altNames, days: 1, nowMs: systemClock.wallNow() });
  return fixedIdentity({ ...own, ca: authority.cert });
}

/** A runner that accepts connections and sends what the test tells it to. */
class SilentRunner {
  readonly sockets: net.Socket[] = [];
  /** Whether it closes every connection at once. */
  closes = false;
  /** What it has read on all of its connections. */
  private readonly read: Buffer[] = [];
  private server: net.Server = net.createServer();

  /** @param greets whether it sends its first frame @param secure TLS, with a certificate of the fleet */
  async listen({
    greets = true,
    closes = false,
    secure = false,
    host = '127.0.0.1',
    role = 'pure-runner',
  } = {}): Promise<string> {
    this.closes = closes;
    const accept = (socket: net.Socket) => {
      this.sockets.push(socket);
      socket.on('error', () => undefined).on('data', (bytes: Buffer) => this.read.push(bytes));
      if (this.closes) socket.destroy();
      else if (greets) socket.write(SETTINGS);
    };
    if (secure) {
      const { cert, key } = identity('runner', role).material;
      this.server = tls.createServer({ cert, key, ALPNProtocols: ['h2'] }, accept);
    } else this.server = net.createServer(accept);
    this.server.listen(0, host);
    await once(this.server, 'listening');
    const { port } = this.server.address() as AddressInfo;
    return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  }

  frames(type: number) {
    return framesIn(Buffer.concat(this.read)).filter((one) => one.type === type);
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
};

const closeOf = (socket: net.Socket | undefined) => new Promise((resolve) => socket?.once('close', resolve));

let runner: SilentRunner;
let clock: FakeClock;
let link: RunnerLink;
let busy: boolean;
/** Logged messages, with the level. */
let said: string[];
const logger: Logger = {
  ...silentLogger,
  debug: (what, fields) => void said.push(`debug: ${what}, retryInMs ${fields?.retryInMs}`),
  info: (what, fields) => void said.push(`info: ${what}, open ${fields?.open}`),
  warn: (what, fields) => void said.push(`warn: ${what}, retryInMs ${fields?.retryInMs}`),
};

beforeEach(() => {
  runner = new SilentRunner();
  clock = new FakeClock();
  busy = true;
  said = [];
});
afterEach(async () => {
  const closed = link.close();
  await clock.advance(1000);
  await closed;
  expect(clock.pendingTimers).toBe(0);
  await runner.close();
});

function linkTo(address: string, options: Partial<LinkOptions> = {}): RunnerLink {
  link = new RunnerLink({
    address,
    connectTimeoutMs: 1000,
    backoff: { initialMs: 100, maxMs: 350 },
    keepaliveTimeoutMs: 2000,
    isBusy: () => busy,
    mayPing: () => true,
    clock,
    random: () => 1,
    logger,
    ...options,
  });
  return link;
}

const whyNot = (acquired: Promise<RunnerPeer>) =>
  acquired.then(
    () => 'connected',
    (error: Error) => error.message,
  );

/** Nobody listens there. */
const DEAD = '127.0.0.1:1';

it('callers during and after connecting share one connection', async () => {
  linkTo(await runner.listen());
  expect(link.current).toBeUndefined();
  const [one, two] = await Promise.all([link.acquire(), link.acquire()]);
  expect([one === two, link.current === one, (await link.acquire()) === one]).toEqual([true, true, true]);
  await until(() => runner.sockets.length > 0);
  expect([runner.sockets.length, clock.pendingTimers]).toEqual([1, 1]);
});

it('an IPv6 address is in brackets', async () => {
  linkTo(await runner.listen({ host: '::1' }));
  expect(await whyNot(link.acquire())).toBe('connected');
});

describe('a runner that cannot be reached', () => {
  it.each`
    random | delays
    ${1}   | ${[100, 200, 350, 350]}
    ${0}   | ${[50, 100, 175, 175]}
  `('is left alone for longer and longer, with a limit: $delays', async ({ random, delays }) => {
    linkTo(DEAD, { random: () => random });
    for (const delayMs of delays) {
      const why = await whyNot(link.acquire());
      expect(why).toMatch(/ECONNREFUSED/);
      expect(said.splice(0)).toEqual([`debug: runner cannot be reached, retryInMs ${delayMs}`]);
      await clock.advance(delayMs - 1);
      expect(await whyNot(link.acquire())).toBe(why); // at once, without another try
      expect([said, clock.pendingTimers]).toEqual([[], 1]);
      await clock.advance(1);
    }
  });

  it('starts over with the shortest delay once it was reached', async () => {
    linkTo(await runner.listen({ secure: true, closes: true }), { tls: { identity: identity('balancer') } });
    for (const delayMs of [100, 200]) {
      await whyNot(link.acquire());
      await clock.advance(delayMs);
    }
    runner.closes = false;
    const { connection } = await link.acquire();
    connection.destroy(new Error('cut'));
    runner.closes = true;
    said.length = 0;
    await whyNot(link.acquire());
    expect(said.at(-1)).toBe('warn: runner cannot be reached, retryInMs 100');
  });
});

describe('with TLS', () => {
  const ours = () => ({ tls: { identity: identity('balancer') } });

  it('a runner counts as connected after its first HTTP/2 frame', async () => {
    linkTo(await runner.listen({ secure: true, greets: false }), ours());
    const acquired = link.acquire();
    await until(() => runner.sockets.length === 1);
    expect(link.current).toBeUndefined();
    runner.sockets[0]?.write(SETTINGS);
    expect((await acquired) === link.current).toBe(true);
  });

  it.each`
    what                                     | name           | word
    ${'closes without a frame'}              | ${undefined}   | ${/^closed before the first frame/}
    ${'has a certificate with another name'} | ${'elsewhere'} | ${/elsewhere|altnames/i}
  `('one that $what is not trusted, which is logged once', async ({ name, word }) => {
    linkTo(await runner.listen({ secure: true, closes: true }), { tls: { ...ours().tls, runnerName: name } });
    for (const [level, delayMs] of [
      ['warn', 100],
      ['debug', 200],
    ] as const) {
      said.length = 0;
      expect(await whyNot(link.acquire())).toMatch(word);
      expect(said.at(-1)).toBe(`${level}: runner cannot be reached, retryInMs ${delayMs}`);
      await clock.advance(delayMs);
    }
  });

  it('a certificate for another role is not that of a runner', async () => {
    linkTo(await runner.listen({ secure: true, role: 'lb' }), ours());
    expect(await whyNot(link.acquire())).toMatch(/one of role lb, not pure-runner/);
  });

  it('one that never answers the handshake is given up after the limit, and its connection closed', async () => {
    linkTo(await runner.listen({ greets: false }), ours());
    const acquired = whyNot(link.acquire());
    await until(() => runner.sockets.length === 1);
    const closed = closeOf(runner.sockets[0]);
    await clock.advance(999);
    expect(said).toEqual([]);
    await clock.advance(1);
    expect(await acquired).toBe('no connection within 1000 ms');
    expect(said).toEqual(['warn: runner cannot be reached, retryInMs 100']);
    await closed;
  });

  it('nor does one that never sends an HTTP/2 frame keep anybody waiting', async () => {
    linkTo(await runner.listen({ secure: true, greets: false }), ours());
    const acquired = whyNot(link.acquire());
    await until(() => runner.sockets.length === 1);
    const closed = closeOf(runner.sockets[0]);
    await clock.advance(1000);
    expect(await acquired).toBe('no connection within 1000 ms');
    await closed;
    expect(await whyNot(link.acquire())).toBe('no connection within 1000 ms'); // it is still left alone
  });
});

describe('closing', () => {
  it('while connecting: waiting callers are notified, and the connection is closed', async () => {
    const address = await runner.listen({ greets: false });
    linkTo(address, { tls: { identity: identity('balancer') } });
    const acquired = whyNot(link.acquire());
    await until(() => runner.sockets.length === 1);
    const gone = closeOf(runner.sockets[0]);
    await link.close();
    expect(await acquired).toBe(`the connection to ${address} is closed`);
    await gone;
    expect(said).toEqual([]);
  });

  it('with TLS established and without the first frame: the same', async () => {
    linkTo(await runner.listen({ secure: true, greets: false }), { tls: { identity: identity('balancer') } });
    const acquired = whyNot(link.acquire());
    await until(() => runner.sockets.length === 1);
    const gone = closeOf(runner.sockets[0]);
    await link.close();
    expect(await acquired).toMatch(/ is closed$/);
    await gone;
    expect(link.current).toBeUndefined();
  });

  it('while it waits to try again, and for good', async () => {
    linkTo(DEAD);
    await whyNot(link.acquire());
    await link.close();
    expect([await whyNot(link.acquire()), clock.pendingTimers]).toEqual([`the connection to ${DEAD} is closed`, 0]);
  });

  it('closes gracefully, and waits for open streams no longer than a moment', async () => {
    linkTo(await runner.listen());
    const { connection } = await link.acquire();
    const received = new StreamEvents();
    connection.request(REQUEST, received);
    await until(() => runner.frames(FRAME.HEADERS).length === 1);
    let isClosed = false;
    const closed = link.close().then(() => {
      isClosed = true;
    });
    await until(() => runner.frames(FRAME.GOAWAY).length === 1);
    await clock.advance(999);
    expect([isClosed, received.closed]).toEqual([false, []]);
    await clock.advance(1);
    await closed;
    expect(received.closed).toMatchObject([{ message: 'closed' }]);
  });

  it('and ends at once after open streams', async () => {
    linkTo(await runner.listen());
    const { connection } = await link.acquire();
    const stream = connection.request(REQUEST, new StreamEvents());
    const closed = link.close();
    stream.reset(H2_ERROR.CANCEL);
    await closed;
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('a connection that is up', () => {
  it('is replaced when its runner leaves, and finishes its streams', async () => {
    linkTo(await runner.listen());
    const first = await link.acquire();
    const received = new StreamEvents();
    first.connection.request(REQUEST, received);
    await until(() => runner.frames(FRAME.HEADERS).length === 1);
    runner.sockets[0]?.write(GOAWAY);
    await until(() => link.current === undefined);
    const second = await link.acquire();
    expect([second === first, received.closed, first.connection.isClosed]).toEqual([false, [], false]);
    runner.sockets[0]?.write(
      frame(FRAME.HEADERS, FLAG.END_HEADERS | FLAG.END_STREAM, 1, encodeHeaders([[':status', '200']])),
    );
    await until(() => received.ended);
    expect([link.current === second, second.connection.isClosed, said]).toEqual([true, false, []]);
  });

  it('is replaced when it is lost; the old one does not affect the new one', async () => {
    linkTo(await runner.listen());
    const first = await link.acquire();
    first.connection.destroy(new Error('cut'));
    expect(link.current).toBeUndefined();
    const second = await link.acquire();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect([link.current === second, second.connection.isClosed]).toEqual([true, false]);
  });

  it('is given up, and logged, when its runner is unresponsive for too long', async () => {
    linkTo(await runner.listen());
    const { connection } = await link.acquire();
    const received = new StreamEvents();
    connection.request(REQUEST, received);
    await until(() => connection.bytesRead > 0);
    for (let ms = 0; ms < 1000; ms += 500) await clock.advance(500);
    await until(() => runner.frames(FRAME.PING).length === 1);
    expect(link.isUnresponsive).toBe(false);
    await clock.advance(500);
    expect([link.isUnresponsive, received.closed]).toEqual([true, []]);
    await clock.advance(1500);
    expect(received.closed).toMatchObject([
      { message: 'the runner has not responded for 2000 ms', allDataRead: false },
    ]);
    expect(said.filter((line) => line.startsWith('warn'))).toHaveLength(1);
    expect([link.isUnresponsive, link.current, clock.pendingTimers]).toEqual([false, undefined, 0]);
  });

  it('gets no PINGs from us where they are rejected, and only rare ones while nobody waits', async () => {
    let mayPing = false;
    linkTo(await runner.listen(), { mayPing: () => mayPing });
    const { connection } = await link.acquire();
    await until(() => connection.bytesRead > 0);
    await clock.advance(20_000);
    mayPing = true;
    busy = false;
    await clock.advance(9000);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect([runner.frames(FRAME.PING), connection.isClosed]).toEqual([[], false]);
  });
});
