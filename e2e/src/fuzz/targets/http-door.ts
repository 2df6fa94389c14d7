import { connect } from 'node:net';
import { FakeRunner } from '@fnfleet/placement';
import { within } from '@fnfleet/testing';
import fc from 'fast-check';
import { TestFleet } from '../../../../packages/lb-agent/dist/test-kit/test-fleet.js';
import { bytes, damaged, inPieces } from '../byte-arbitraries.js';
import type { FuzzTarget, OpenTarget } from '../target.js';

const ANSWER_MS = 10_000;
const LINGER_MS = 30;

const method = fc.constantFrom('POST', 'GET', 'PUT', 'HEAD', 'OPTIONS', 'CONNECT', 'post', 'X', '');
const target = fc.oneof(
  fc.constantFrom(
    '/invoke/fn1',
    '/t/shop/hot',
    '/t/shop/a%2Fb',
    '/t/shop/%',
    '/invoke/..',
    '/fleet',
    '/metrics',
    '*',
    'http://x/t/shop/hot',
    '//',
    '/invoke/fn1?a=%00',
  ),
  fc.webPath(),
  fc.string({ maxLength: 30 }),
);
const header = fc.oneof(
  fc.constantFrom(
    'Host: localhost',
    'Content-Length: 2',
    'Content-Length: 5',
    'Content-Length: 2, 2',
    'Transfer-Encoding: chunked',
    'Transfer-Encoding: identity',
    'Expect: 100-continue',
    'Upgrade: h2c',
    'Connection: upgrade, http2-settings',
    'Fn-Invoke-Type: detached',
    'Fn-Explain: 1',
    'Fn-Deadline: x',
    'traceparent: 00-0-0-01',
    ' folded',
  ),
  fc.string({ maxLength: 24 }),
);
const body = fc.oneof(
  fc.constantFrom('', '{}', '2\r\n{}\r\n0\r\n\r\n', 'POST /invoke/fn1 HTTP/1.1\r\n\r\n', 'zz\r\n'),
  fc.string({ maxLength: 20 }),
);
const request = fc
  .tuple(method, target, fc.array(header, { maxLength: 5 }), body)
  .map(([verb, path, headers, rest]) =>
    Buffer.from(
      `${verb} ${path} HTTP/1.1\r\nHost: localhost\r\n${headers.map((each) => `${each}\r\n`).join('')}\r\n${rest}`,
      'latin1',
    ),
  );

const input = inPieces(fc.oneof({ weight: 4, arbitrary: request }, damaged(request), bytes(80)));

/** A caller at the door of a balancer. */
export const httpDoor: FuzzTarget = {
  name: 'http-door',
  async open(): Promise<OpenTarget> {
    const fleet = await TestFleet.start([new FakeRunner('r1:9190').finishes({ body: 'ok' })]);
    const { port } = fleet.server.address;
    return {
      property: fc.asyncProperty(input, async (pieces) => {
        const said = await within(ANSWER_MS, 'the end of the connection', send(port, pieces));
        if (/^HTTP\/1\.1 500/m.test(said)) throw new Error(`an answer with status 500: ${said}`);
        const answer = await within(ANSWER_MS, 'an ordinary call', fleet.send('/invoke/fn1'));
        if (answer.status !== 200 || answer.body !== 'ok')
          throw new Error(`an ordinary call got ${answer.status} ${answer.body}`);
      }),
      async settled() {
        const { inFlight = 0, waiting = 0 } = fleet.server.agent.fleetStatus() ?? {};
        if (inFlight + waiting > 0) throw new Error(`${inFlight} calls in flight, ${waiting} waiting`);
      },
      close: () => fleet.close(),
    };
  },
};

/** Sends it and closes this half; @returns all that is said until the other end closes as well. Some leave before that. */
function send(port: number, pieces: readonly Buffer[]): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      for (const piece of pieces) socket.write(piece);
      if (pieces.length % 3 > 0) socket.end();
      else setTimeout(() => socket.destroy(), LINGER_MS);
    });
    let said = '';
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      said += text;
    });
    socket.on('error', () => undefined);
    socket.once('close', () => resolve(said));
  });
}
