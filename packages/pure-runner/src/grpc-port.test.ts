import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import net from 'node:net';
import { FakeClock, type LogFields, MIB, silentLogger } from '@fnfleet/core';
import { type Connection, encodeHeaders, type Http2Stream, type StreamLoss } from '@fnfleet/protocol';
import {
  eventually,
  FleetCertificates,
  PREFACE,
  pingFrame,
  SETTING,
  settingsFrame,
  windowUpdateFrame,
} from '@fnfleet/testing';
import { GrpcPort, type GrpcPortOptions } from './grpc-port.js';

const HELLO = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);
/** GET http://…/ as stream 1, complete. */
const REQUEST = Buffer.from([0, 0, 3, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84]);

let clock: FakeClock;
let port: GrpcPort;
const sockets: net.Socket[] = [];
const streams: Http2Stream[] = [];
/** Of the stream that was opened last. */
let connection: Connection | undefined;
const losses: (StreamLoss | undefined)[] = [];

function options(): GrpcPortOptions {
  return {
    at: { host: '127.0.0.1', port: 0 },
    maxStreams: 10,
    maxConnections: 3,
    maxConnectionsPerAddress: 3,
    keepaliveTimeoutMs: 20_000,
    clock,
    logger: silentLogger,
    onStream: (stream, _head, from) => {
      connection = from.connection;
      streams.push(stream);
      stream.listener = {
        onHeaders: () => undefined,
        onData: () => undefined,
        onEnd: () => undefined,
        onWritable: () => undefined,
        onClose: (loss) => losses.push(loss),
      };
    },
  };
}

async function start(changes: Partial<GrpcPortOptions> = {}): Promise<void> {
  clock = new FakeClock();
  port = new GrpcPort({ ...options(), ...changes });
  await port.ready;
}

afterEach(async () => {
  const closed = port.closeGracefully();
  port.destroy();
  await closed;
  await eventually(() => expect([port.connections, clock.pendingTimers]).toEqual([0, 0]));
  for (const socket of sockets.splice(0)) socket.destroy();
  accepted.clear();
  streams.length = 0;
  losses.length = 0;
});

/** The port's ends of connections, by address and port of their clients. It has kept or refused each. */
const accepted = new Map<string, net.Socket>();
const onAccepted = (message: unknown) => {
  const { socket } = message as { socket: net.Socket };
  accepted.set(`${socket.remoteAddress} ${socket.remotePort}`, socket);
};
beforeAll(() => subscribe('net.server.socket', onAccepted));
afterAll(() => unsubscribe('net.server.socket', onAccepted));

/** A connection from an address of the loopback network, when the port has dealt with it and has read what it says. */
async function connect(says?: Buffer, from = '127.0.0.1'): Promise<net.Socket> {
  const socket = net.connect({ host: '127.0.0.1', port: port.address.port, localAddress: from });
  sockets.push(socket);
  socket.on('error', () => undefined).resume();
  await once(socket, 'connect');
  const { localAddress, localPort } = socket;
  if (says) socket.write(says);
  await eventually(() => {
    const end = accepted.get(`${localAddress} ${localPort}`);
    expect(end?.bytesRead).toBe(says?.length ?? 0);
    ends.set(socket, end as net.Socket);
  });
  return socket;
}

/** The port's ends of the connections of clients. */
const ends = new WeakMap<net.Socket, net.Socket>();

/** Whether the port has closed it; then its client has heard of that. */
async function isClosed(socket: net.Socket): Promise<boolean> {
  if (!ends.get(socket)?.destroyed) return false;
  if (!socket.closed) await once(socket, 'close');
  return true;
}

it('a connection without a handshake is closed; after the handshake it may be idle', async () => {
  await start();
  const [silent, half, idle] = [await connect(), await connect(HELLO.subarray(0, 10)), await connect(HELLO)];
  await clock.advance(9_999);
  expect(port.connections).toBe(3);
  await clock.advance(1);
  expect([await isClosed(silent), await isClosed(half), await isClosed(idle)]).toEqual([true, true, false]);
  expect(port.connections).toBe(1);
});

it.each`
  when                                                   | act
  ${'after 10 s'}                                        | ${() => clock.advance(10_000)}
  ${'when the port closes'}                              | ${() => void port.closeGracefully()}
  ${'when all connections are destroyed'}                | ${() => port.destroy()}
  ${'when the port is full and another client connects'} | ${() => connect()}
`('on a TLS port, a connection that never starts its handshake is closed $when', async ({ act }) => {
  const identity = new FleetCertificates().identity('runner');
  await start({ maxConnections: 1, tls: { identity, logger: silentLogger } });
  const silent = await connect();
  expect(port.connections).toBe(1);
  await act();
  expect(await isClosed(silent)).toBe(true);
});

it('has no address before it listens', async () => {
  const starting = start();
  expect(() => port.address).toThrow('the runner does not listen yet');
  await starting;
  expect(port.address.port).toBeGreaterThan(0);
});

it('with too many connections the oldest without a handshake is closed; the others keep their places', async () => {
  await start();
  const spoke = await connect(HELLO);
  const [first, second] = [await connect(), await connect()];
  const late = await connect(HELLO);
  expect([await isClosed(first), await isClosed(second), await isClosed(spoke)]).toEqual([true, false, false]);
  const later = await connect(HELLO);
  expect(await isClosed(second)).toBe(true);
  const refused = await connect();
  expect([await isClosed(refused), await isClosed(late), await isClosed(later), port.connections]).toEqual([
    true,
    false,
    false,
    3,
  ]);
});

it('one address cannot use up all connections', async () => {
  await start({ maxConnections: 10, maxConnectionsPerAddress: 2 });
  await connect(HELLO, '127.0.0.7');
  await connect(HELLO, '127.0.0.7');
  expect(await isClosed(await connect(undefined, '127.0.0.7'))).toBe(true);
  expect(await isClosed(await connect(HELLO, '127.0.0.8'))).toBe(false);
  expect(port.connections).toBe(3);
});

it('an unresponsive balancer loses its streams, and nothing of it is left', async () => {
  await start();
  const socket = await connect(Buffer.concat([HELLO, REQUEST]));
  expect(streams).toHaveLength(1);
  // It answers no PING, as one does not whose network is gone.
  for (let ms = 0; ms < 26_000; ms += 2_000) await clock.advance(2_000);
  expect(losses).toMatchObject([{ allDataRead: false, message: expect.stringMatching(/unresponsive for/) }]);
  expect([await isClosed(socket), port.connections, clock.pendingTimers]).toEqual([true, 0, 0]);
});

describe('a responsive balancer that does not read a response', () => {
  const CHECK_MS = 2_000;
  const HEAD = encodeHeaders([[':status', '200']]);
  const helloWith = (window: number) =>
    Buffer.concat([
      Buffer.from(PREFACE),
      settingsFrame([[SETTING.INITIAL_WINDOW_SIZE, window]]),
      windowUpdateFrame(0, 0x7fff0000),
      REQUEST,
    ]);

  /** How long it lasts, with a sign of life from the balancer now and then. */
  async function lastsMs(socket: net.Socket): Promise<number> {
    let ms = 0;
    for (; losses.length === 0 && ms < 1_000_000; ms += CHECK_MS) {
      const before = connection?.bytesRead;
      socket.write(pingFrame());
      while (connection?.bytesRead === before) await new Promise(setImmediate);
      await clock.advance(CHECK_MS);
    }
    return ms;
  }

  it('has four keepalive timeouts when its connection accepts no more data', async () => {
    await start();
    const socket = await connect(helloWith(0x7fffffff));
    socket.pause();
    streams[0]?.sendHeaders(HEAD, false);
    streams[0]?.sendData(Buffer.alloc(32 * MIB));
    const ms = await lastsMs(socket);
    expect(ms).toBeGreaterThanOrEqual(80_000);
    expect(ms).toBeLessThan(100_000);
    expect(losses).toMatchObject([{ message: expect.stringContaining('the peer does not read') }]);
  });

  it('has five minutes when it opens no window for a complete response', async () => {
    await start();
    const socket = await connect(helloWith(0));
    streams[0]?.sendHeaders(HEAD, false);
    streams[0]?.sendData(Buffer.from('the rest'), true);
    const ms = await lastsMs(socket);
    expect(ms).toBeGreaterThan(300_000);
    expect(ms).toBeLessThan(310_000);
    expect(losses).toMatchObject([{ message: 'the peer does not read a complete response' }]);
    expect(port.connections).toBe(1);
  });
});

it.each([400, 1_000, 60_000])(
  'a balancer that sends nothing for %d ms is considered lost, within one check interval',
  async (keepaliveTimeoutMs) => {
    await start({ keepaliveTimeoutMs });
    await connect(Buffer.concat([HELLO, REQUEST]));
    const everyMs = Math.min(2_000, keepaliveTimeoutMs / 4);
    let ms = 0;
    for (; losses.length === 0 && ms < 10 * keepaliveTimeoutMs; ms += everyMs) await clock.advance(everyMs);
    expect(ms).toBeGreaterThanOrEqual(keepaliveTimeoutMs);
    expect(ms).toBeLessThanOrEqual(keepaliveTimeoutMs + 3 * everyMs);
  },
);

it('refused connections, lost balancers and closed connections are logged', async () => {
  const said: string[] = [];
  const note = (level: string) => (what: string, fields?: LogFields) =>
    void said.push(`${level} ${what.split(' (')[0]} ${fields?.closed ?? fields?.unresponsiveMs ?? fields?.balancer}`);
  await start({ maxConnections: 1, logger: { ...silentLogger, warn: note('warn'), debug: note('debug') } });
  await connect(Buffer.concat([HELLO, REQUEST]));
  for (const _ of [1, 2]) await connect();
  while (losses.length === 0) await clock.advance(2_000);
  expect(said).toEqual([
    'warn too many connections the new one',
    'debug too many connections the new one',
    'warn balancer unresponsive, ending its calls 20000',
    'debug connection closed 127.0.0.1',
  ]);
});

it('a port in use is reported with the settings that choose it', async () => {
  await start();
  const { port: taken } = port.address;
  const second = new GrpcPort({ ...options(), at: { host: '127.0.0.1', port: taken } });
  await expect(second.ready).rejects.toThrow(`cannot listen on 127.0.0.1:${taken} (FN_GRPC_PORT, FN_BIND_ADDRESS): `);
});

it('an internal error costs one stream and is logged; the connection continues', async () => {
  const said: [string, unknown][] = [];
  const fault = new Error('a bug');
  await start({
    logger: { ...silentLogger, error: (what, fields) => void said.push([what, fields?.error]) },
    onStream: () => {
      throw fault;
    },
  });
  const socket = await connect(Buffer.concat([HELLO, REQUEST]));
  expect(said).toEqual([['reset a stream after an internal error', fault]]);
  expect([await isClosed(socket), port.connections]).toEqual([false, 1]);
});

it('a connection that is destroyed while it is monitored is removed at once', async () => {
  await start();
  const socket = await connect(Buffer.concat([HELLO, REQUEST]));
  socket.resetAndDestroy();
  while (losses.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  await clock.advance(100_000);
  expect([losses.length, port.connections]).toEqual([1, 0]);
});

it('a graceful close does not wait for a connection that has not shown a certificate', async () => {
  const identity = new FleetCertificates().identity('runner');
  await start({ tls: { identity, logger: silentLogger } });
  const socket = await connect();
  await port.closeGracefully();
  expect([await isClosed(socket), port.connections]).toEqual([true, 0]);
});
