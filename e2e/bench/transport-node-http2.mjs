import { once } from 'node:events';
import http2 from 'node:http2';
import { decodeClientMessage, decodeRunnerMessage, encodeClientMessage, encodeRunnerMessage } from '@fnfleet/protocol';
import { portOf } from './one-call.mjs';
import { LOAD_REPORT, sendAnswer, sendCall } from './transport-messages.mjs';

/** The same messages over node:http2. @type {import('./transport-messages.mjs').Transport} */
export const nodeHttp2 = { listen, connect };

/** @param {Buffer} body */
async function listen(body) {
  const settings = { initialWindowSize: 128 * 1024 };
  const server = http2.createServer({ settings });
  server.on('session', (session) => session.setLocalWindowSize(16 << 20));
  server.on('stream', (stream) => {
    /** @type {Buffer[]} */
    const parts = [];
    /** @type {Parameters<typeof sendAnswer>[0]} */
    const answering = {
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
      stream.sendTrailers({ 'grpc-status': 0, 'endpoint-load-metrics-bin': LOAD_REPORT, ...sensitive }),
    );
    stream.on('error', () => undefined);
    const take = deframer((bytes) => {
      const message = decodeClientMessage(bytes);
      if (message.kind === 'data' && message.eof) sendAnswer(answering, body);
    });
    stream.on('data', take);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return portOf(server);
}

/** @param {number} port @param {Buffer} body */
function connect(port, body) {
  const session = http2.connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 256 * 1024 } });
  session.once('connect', () => session.setLocalWindowSize(16 << 20));
  const head = {
    ':method': 'POST',
    ':path': '/RunnerProtocol/Engage',
    'content-type': 'application/grpc',
    te: 'trailers',
    'grpc-timeout': '30000m',
  };
  return () => {
    /** @type {PromiseWithResolvers<import('./transport-messages.mjs').Outcome>} */
    const { promise, resolve } = Promise.withResolvers();
    const stream = session.request(head);
    let bytes = 0;
    /** @type {number | undefined} */
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
    sendCall(
      { send: (message) => stream.write(framed(encodeClientMessage(message))), halfClose: () => stream.end() },
      body,
    );
    return promise;
  };
}

/** @param {Buffer} message @returns a gRPC message with its prefix */
function framed(message) {
  const out = Buffer.allocUnsafe(5 + message.length);
  out[0] = 0;
  out.writeUInt32BE(message.length, 1);
  message.copy(out, 5);
  return out;
}

/**
 * Splits chunks into gRPC messages. Few chunks end within a message, so these may be copied.
 * @param {(message: Buffer) => void} onMessage
 * @returns {(chunk: Buffer) => void}
 */
function deframer(onMessage) {
  /** @type {Buffer} */
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
