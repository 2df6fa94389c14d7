import { later, silentLogger, systemClock } from '@fnfleet/core';
import * as protocol from '@fnfleet/protocol';
import { GrpcPort } from '../../packages/pure-runner/dist/grpc-port.js';
import { LOAD_REPORT, sendAnswer, sendCall } from './transport-messages.mjs';

/** Engage over the HTTP/2 of `packages/protocol`. @type {import('./transport-messages.mjs').Transport} */
export const own = { listen, connect };

/** @param {Buffer} body */
async function listen(body) {
  const heads = new protocol.EngageHeads('0123456789abcdef');
  const port = new GrpcPort({
    at: { host: '127.0.0.1', port: 0 },
    maxStreams: 65_536,
    maxConnections: 100,
    maxConnectionsPerAddress: 100,
    keepaliveTimeoutMs: 20_000,
    clock: systemClock,
    logger: silentLogger,
    onStream(stream, head, from) {
      const options = { maxMessageBytes: 4 << 20, nowMs: systemClock.now(), heads, receipts: undefined };
      const engagement = new protocol.EngagementStream(from.connection, stream, head, options);
      /** @type {Parameters<typeof sendAnswer>[0]} */
      const answering = { send: (message) => engagement.send(message), end: () => engagement.end(0, '', LOAD_REPORT) };
      /** @type {Parameters<typeof engagement.attach>[0]} */
      const handler = {
        onMessage: (message) => void (message.kind === 'data' && message.eof && sendAnswer(answering, body)),
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

/** @param {number} port @param {Buffer} body */
function connect(port, body) {
  const channel = new protocol.RunnerChannel(`127.0.0.1:${port}`);
  return () => {
    /** @type {PromiseWithResolvers<import('./transport-messages.mjs').Outcome>} */
    const { promise, resolve } = Promise.withResolvers();
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
    sendCall(stream, body);
    return promise;
  };
}
