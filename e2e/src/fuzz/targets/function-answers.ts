import { fn, rawFn } from '@fnfleet/drivers';
import { within } from '@fnfleet/testing';
import fc from 'fast-check';
import { NOTHING_LEFT, TestAgent } from '../../../../packages/agent/dist/test-kit/test-agent.js';
import { bytes, damaged, inPieces } from '../byte-arbitraries.js';
import type { FuzzTarget, OpenTarget } from '../target.js';

const ANSWER_MS = 20_000;

const line = fc.constantFrom(
  'HTTP/1.1 200 OK',
  'HTTP/1.1 502 Bad',
  'HTTP/1.1 204 No Content',
  'HTTP/1.0 200 OK',
  'HTTP/1.1 100 Continue',
  'HTTP/1.1 99999 x',
  'HTTP/2 200',
  '',
);
const header = fc.oneof(
  fc.constantFrom(
    'Content-Length: 2',
    'Content-Length: 3',
    'Content-Length: -1',
    'Content-Length: 99999999999999999999',
    'Transfer-Encoding: chunked',
    'Transfer-Encoding: gzip, chunked',
    'Connection: close',
    'Fn-Http-Status: 418',
    ' folded',
    'no colon',
    'X: \u0001',
  ),
  fc.string({ maxLength: 20 }),
);
const body = fc.oneof(
  fc.constantFrom(
    '',
    'ok',
    '2\r\nok\r\n0\r\n\r\n',
    '2;x=y\r\nok\r\n0\r\nT: r\r\n\r\n',
    'zz\r\n',
    'okHTTP/1.1 200 OK\r\n\r\n',
  ),
  fc.string({ maxLength: 20 }),
);
const answer = fc
  .tuple(line, fc.array(header, { maxLength: 4 }), body)
  .map(([first, headers, rest]) => Buffer.from(`${[first, ...headers].join('\r\n')}\r\n\r\n${rest}`, 'latin1'));

const input = fc.record({
  pieces: inPieces(fc.oneof({ weight: 4, arbitrary: answer }, damaged(answer), bytes(60))),
  /** Bytes that come when the call is over. */
  late: fc.boolean(),
});

/** What a function says on its socket, to the agent. */
export const functionAnswers: FuzzTarget = {
  name: 'function-answers',
  async open(): Promise<OpenTarget> {
    let script: readonly Buffer[] = [];
    let late = false;
    const agent = new TestAgent({
      odd: rawFn((socket) => {
        socket.on('error', () => undefined);
        socket.once('data', () => {
          for (const piece of script) socket.write(piece);
          if (late) setTimeout(() => socket.end('late'), 5);
          else socket.end();
        });
      }),
      ok: fn((_request, response) => response.end('ok')),
    });
    return {
      property: fc.asyncProperty(input, async (given) => {
        script = given.pieces;
        late = given.late;
        await within(ANSWER_MS, 'an end', agent.outcome({ image: 'odd', timeoutSeconds: 5 }));
        const said = await within(ANSWER_MS, 'an ordinary call', agent.answer({ image: 'ok' }));
        if (said.body.toString() !== 'ok') throw new Error(`an ordinary call got ${said.body}`);
      }),
      async settled() {
        const left = await agent.leftovers();
        for (const [name, count] of Object.entries(left))
          if (count !== NOTHING_LEFT[name]) throw new Error(`${name}: ${count} left`);
      },
      close: async () => void (await agent.leftovers()),
    };
  },
};
