import { once } from 'node:events';
import http2 from 'node:http2';
import { later, silentLogger, systemClock } from '@fnfleet/core';
import * as protocol from '@fnfleet/protocol';
import { GrpcPort } from '../../packages/pure-runner/dist/grpc-port.js';
import { portOf } from './one-call.mjs';

const { encodeClientMessage, encodeRunnerMessage, decodeClientMessage, decodeRunnerMessage, NOTHING_REPORTED } =
  protocol;

const TRY = {
  kind: 'try',
  callJson: JSON.stringify({ id: '01', fn_id: '02', app_id: '03', image: 'x', config: { A: 'b'.repeat(400) } }),
  slotHash: '',
  extensions: {},
};
const FINISHED = { kind: 'finished', report: { ...NOTHING_REPORTED, success: true, callId: '01', executionNs: 1e6 } };
const HEAD = { kind: 'resultStart', status: 200, headers: [['Content-Type', 'text/plain']] };
const LOAD = 'A'.repeat(200);

const dataOf = (bytes) => {
  const frames = [];
  for (let at = 0; at < bytes.length; at += protocol.MAX_FRAME_BYTES)
    frames.push({ kind: 'data', data: bytes.subarray(at, at + protocol.MAX_FRAME_BYTES), eof: false });
  return frames;
};

/** What a runner answers when the whole request is there. */
function answer(stream, body) {
  stream.send({ kind: 'started' });
  stream.send(HEAD);
  for (const frame of dataOf(body)) stream.send(frame);
  stream.send(FINISHED);
  stream.end();
}

/** Each transport: a runner on a free port, and a balancer that makes one call. */
export const TRANSPORTS = {
  own: { listen: ownRunner, connect: ownBalancer },
  'node:http2': { listen: nodeRunner, connect: nodeBalancer },
};

async function ownRunner(body) {
  const heads = new protocol.EngageHeads('0123456789abcdef');
  const port = new GrpcPort({
    host: '127.0.0.1',
    port: 0,
    maxStreams: 65_536,
    maxConnections: 100,
    maxConnectionsPerAddress: 100,
    keepaliveTimeoutMs: 20_000,
    clock: systemClock,
    logger: silentLogger,
    onStream(stream, head, from) {
      const options = { maxMessageBytes: 4 << 20, nowMs: systemClock.now(), heads, receipts: undefined };
      const engagement = new protocol.EngagementStream(from.connection, stream, head, options);
      const ending = { send: (message) => engagement.send(message), end: () => engagement.end(0, '', LOAD) };
      const handler = {
        onMessage: (message) => void (message.kind === 'data' && message.eof && answer(ending, body)),
        onWritable: () => undefined,
        onHalfClose: () => undefined,
        onCancelled: () => undefined,
        onOversize: () => undefined,
      };
      engagement.attach(handler, () => undefined);
    },
  });
  await port.ready;
  return port.address.port;
}

function ownBalancer(port, body) {
  const channel = new protocol.RunnerChannel(`127.0.0.1:${port}`);
  return () =>
    new Promise((resolve) => {
      let bytes = 0;
      const stream = channel.engage(
        { deadlineAt: later(systemClock.now(), 30_000) },
        {
          onMessage: (message) => {
            if (message.kind === 'data') bytes += message.data.length;
          },
          onWritable: () => undefined,
          onEnd: ({ code }) => resolve({ code, bytes }),
          onLoad: () => undefined,
        },
      );
      send(stream, body);
    });
}

function send(stream, body) {
  stream.send(TRY);
  for (const frame of dataOf(body)) stream.send(frame);
  stream.send({ kind: 'data', data: Buffer.alloc(0), eof: true });
  stream.halfClose();
}

function framed(bytes) {
  const out = Buffer.allocUnsafe(5 + bytes.length);
  out[0] = 0;
  out.writeUInt32BE(bytes.length, 1);
  bytes.copy(out, 5);
  return out;
}

/** Calls back with each message; few chunks hold a part of one. */
function deframer(onMessage) {
  let held = Buffer.alloc(0);
  return (chunk) => {
    let bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    while (bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt32BE(1)) {
      const end = 5 + bytes.readUInt32BE(1);
      onMessage(bytes.subarray(5, end));
      bytes = bytes.subarray(end);
    }
    held = bytes;
  };
}

async function nodeRunner(body) {
  const settings = { initialWindowSize: 128 * 1024 };
  const server = http2.createServer({ settings });
  server.on('session', (session) => session.setLocalWindowSize(16 << 20));
  server.on('stream', (stream) => {
    const parts = [];
    const ending = {
      send: (message) => parts.push(framed(encodeRunnerMessage(message))),
      end() {
        setImmediate(() => {
          stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
          stream.end(Buffer.concat(parts));
        });
      },
    };
    const sensitive = { [http2.sensitiveHeaders]: ['endpoint-load-metrics-bin'] };
    stream.on('wantTrailers', () =>
      stream.sendTrailers({ 'grpc-status': 0, 'endpoint-load-metrics-bin': LOAD, ...sensitive }),
    );
    stream.on('error', () => undefined);
    const take = deframer((bytes) => {
      const message = decodeClientMessage(bytes);
      if (message.kind === 'data' && message.eof) answer(ending, body);
    });
    stream.on('data', take);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return portOf(server);
}

function nodeBalancer(port, body) {
  const session = http2.connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 256 * 1024 } });
  session.once('connect', () => session.setLocalWindowSize(16 << 20));
  const head = {
    ':method': 'POST',
    ':path': '/RunnerProtocol/Engage',
    'content-type': 'application/grpc',
    te: 'trailers',
    'grpc-timeout': '30000m',
  };
  return () =>
    new Promise((resolve) => {
      const stream = session.request(head);
      let bytes = 0;
      let code;
      stream.cork();
      process.nextTick(() => stream.uncork());
      const take = deframer((message) => {
        const decoded = decodeRunnerMessage(message);
        if (decoded.kind === 'data') bytes += decoded.data.length;
      });
      stream.on('data', take);
      stream.on('trailers', (trailers) => {
        code = Number(trailers['grpc-status']);
      });
      stream.on('close', () => resolve({ code, bytes }));
      send(
        { send: (message) => stream.write(framed(encodeClientMessage(message))), halfClose: () => stream.end() },
        body,
      );
    });
}

/** As a process of its own: a runner, or a balancer that makes so many calls. */
if (process.argv[2] === 'listen') {
  const [, , , transport, bytes] = process.argv;
  const port = await TRANSPORTS[transport].listen(Buffer.alloc(Number(bytes), 'x'));
  let from = process.cpuUsage();
  process.on('message', () => {
    const { user, system } = process.cpuUsage(from);
    from = process.cpuUsage();
    process.send?.({ cpuMicros: user + system });
  });
  process.send?.({ port });
}
if (process.argv[2] === 'call') {
  const [, , , transport, bytes, port] = process.argv;
  const body = Buffer.alloc(Number(bytes), 'x');
  const call = TRANSPORTS[transport].connect(Number(port), body);
  await call();
  process.on('message', async ({ calls, clients }) => {
    const cpu = process.cpuUsage();
    const from = performance.now();
    let left = calls;
    const client = async () => {
      while (left-- > 0) {
        const { code, bytes: got } = await call();
        if (code !== 0 || got !== body.length) throw new Error(`status ${code}, ${got} bytes`);
      }
    };
    await Promise.all(Array.from({ length: clients }, client));
    const { user, system } = process.cpuUsage(cpu);
    process.send?.({ cpuMicros: user + system, ms: performance.now() - from });
  });
  process.send?.({ ready: true });
}
