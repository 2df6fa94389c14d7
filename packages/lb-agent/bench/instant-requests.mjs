import { IncomingMessage, ServerResponse } from 'node:http';
import { Writable } from 'node:stream';

/**
 * Requests without a network: what Node's HTTP server hands to a listener, made by hand.
 *
 * @typedef {(req: IncomingMessage, res: ServerResponse) => void} Listener
 */

const CLIENTS = 8;
export const BODY = Buffer.from('{}');
/** @type {[name: string, value: string][]} */
const HEADER_PAIRS = [
  ['Host', '127.0.0.1:8081'],
  ['Connection', 'keep-alive'],
  ['User-Agent', 'bench/1'],
  ['Accept', '*/*'],
  ['Content-Type', 'application/json'],
  ['Content-Length', String(BODY.length)],
];
const RAW_HEADERS = HEADER_PAIRS.flat();
const HEADERS = Object.fromEntries(HEADER_PAIRS.map(([name, value]) => [name.toLowerCase(), value]));

/**
 * Requests of several clients, each of which sends its next when it has its answer.
 * @param {Listener} listener
 * @param {number} calls of all clients together
 */
export async function drive(listener, calls) {
  let left = calls;
  await Promise.all(
    Array.from({ length: CLIENTS }, () => {
      const client = new Client();
      /** @type {PromiseWithResolvers<void>} */
      const { promise, resolve } = Promise.withResolvers();
      const next = () => {
        if (left === 0) return resolve();
        left -= 1;
        client.send(listener, next);
      };
      setImmediate(next);
      return promise;
    }),
  );
}

/** The connection of one client, as far as Node's HTTP server uses it. */
class Client extends Writable {
  remoteAddress = '127.0.0.1';

  constructor() {
    super({ write: (_chunk, _encoding, done) => done(), writev: (_chunks, done) => done() });
  }

  /**
   * @param {Listener} listener
   * @param {() => void} answered
   */
  send(listener, answered) {
    const socket = asSocket(this);
    const req = new IncomingMessage(socket);
    Object.assign(req, { method: 'POST', url: '/invoke/fn1', httpVersionMajor: 1, httpVersionMinor: 1 });
    Object.assign(req, { httpVersion: '1.1', rawHeaders: RAW_HEADERS, headers: HEADERS });
    const res = new ServerResponse(req);
    res.assignSocket(socket);
    // Does what Node's HTTP server does when a response is complete.
    res.on('finish', () => {
      res.detachSocket(socket);
      if (!req.readableEnded) Reflect.get(req, '_dump').call(req);
      process.nextTick(() => {
        res.emit('close');
        setImmediate(answered);
      });
    });
    listener(req, res);
    req.push(BODY);
    req.complete = true;
    req.push(null);
  }
}

/**
 * @param {unknown} client
 * @returns {import('node:net').Socket}
 */
function asSocket(client) {
  return /** @type {import('node:net').Socket} */ (client);
}
