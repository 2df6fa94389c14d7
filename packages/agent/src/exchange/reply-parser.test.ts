import type { HeaderList } from '@fnfleet/core';
import fc from 'fast-check';
import { ReplyError, ReplyParser } from './reply-parser.js';

const LIMITS = { maxHeadBytes: 4_096 };

/** What came of bytes, and how the parser ended. */
interface Told {
  readonly heads: (readonly [status: number, headers: HeaderList, length: number | undefined])[];
  body: string;
  ended: boolean;
  error: string | undefined;
  /** Bytes that were not taken. */
  left: number;
}

/** Gives the bytes to a parser in these pieces, then ends the connection if told to. */
function told(pieces: readonly Buffer[], ends = false, parser = new ReplyParser(LIMITS)): Told {
  const result: Told = { heads: [], body: '', ended: false, error: undefined, left: 0 };
  parser.begin({
    onHead: (...head) => result.heads.push(head),
    onData: (chunk) => {
      result.body += chunk.toString('latin1');
    },
    onEnd: () => {
      result.ended = true;
    },
  });
  try {
    for (const piece of pieces) {
      const own = Buffer.from(piece);
      const taken = result.left > 0 ? 0 : parser.read(own);
      // The bytes are the caller's again.
      own.fill('!');
      result.left += piece.length - taken;
    }
    if (ends) parser.end();
  } catch (error) {
    if (!(error instanceof ReplyError)) throw error;
    result.error = error.kind;
  }
  return result;
}

const told1 = (text: string, ends = false) => told([Buffer.from(text, 'latin1')], ends);

it('passes on names in canonical form and values as UTF-8, without hop-by-hop headers', () => {
  const text = Buffer.from(
    'HTTP/1.1 200 Alles gut\r\nx-A: \t Grüße à \r\nCONNECTION: x\r\nX-a:\r\ncontent-length: 0\r\n\r\n',
  );
  expect(told([text]).heads).toEqual([
    [
      200,
      [
        ['X-A', 'Grüße à'],
        ['X-A', ''],
        ['Content-Length', '0'],
      ],
      0,
    ],
  ]);
});

it.each`
  what                                 | reply                                                                                                    | body      | goesOn
  ${'a length'}                        | ${'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood'}                                                    | ${'good'} | ${true}
  ${'chunks, extensions and trailers'} | ${'HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\n\r\n2;a="b"\r\ngo\r\n02 \r\nod\r\n0\r\nX-T: y\r\n\r\n'} | ${'good'} | ${true}
  ${'the end of the connection'}       | ${'HTTP/1.1 200 OK\r\n\r\ngood'}                                                                         | ${'good'} | ${false}
  ${'a length of nothing'}             | ${'HTTP/1.1 200 OK\r\nContent-Length: 000\r\n\r\n'}                                                      | ${''}     | ${true}
  ${'a length, and the wish to close'} | ${'HTTP/1.1 200 OK\r\nConnection: a, Close\r\nContent-Length: 4\r\n\r\ngood'}                            | ${'good'} | ${false}
  ${'a length, from before HTTP/1.1'}  | ${'HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\ngood'}                                                    | ${'good'} | ${false}
  ${'a length, after information'}     | ${'HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood'}               | ${'good'} | ${true}
`('reads a reply that ends with $what, however it is cut into pieces', ({ reply, body, goesOn }) => {
  const bytes = Buffer.from(reply);
  const parser = new ReplyParser(LIMITS);
  const whole = told([bytes], !goesOn, parser);
  expect(whole).toMatchObject({ body, ended: true, error: undefined, left: 0 });
  expect(parser.mayGoOn).toBe(goesOn);
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const pieces = [bytes.subarray(0, cut), bytes.subarray(cut)];
    expect(told(pieces, !goesOn)).toEqual(whole);
  }
  // One parser, reply after reply.
  const each = [...bytes].map((byte) => Buffer.from([byte]));
  for (const _ of [1, 2, 3]) expect(told(each, !goesOn, parser)).toEqual(whole);
});

it('does not consume bytes after a response', () => {
  const reply = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood';
  expect(told1(`${reply}${reply}`)).toMatchObject({ body: 'good', ended: true, left: reply.length });
});

it('distinguishes heads that differ in one byte', () => {
  const parser = new ReplyParser(LIMITS);
  for (const length of [4, 3, 4]) {
    const reply = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n${'x'.repeat(length)}`);
    expect(told([reply], false, parser)).toMatchObject({ body: 'x'.repeat(length), ended: true, left: 0 });
  }
});

it('calls nothing after stop, even in the middle of a chunk', () => {
  const parser = new ReplyParser(LIMITS);
  let heard = 0;
  parser.begin({
    onHead: () => parser.stop(),
    onData: () => {
      heard += 1;
    },
    onEnd: () => {
      heard += 1;
    },
  });
  parser.read(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood'));
  expect([heard, parser.mayGoOn]).toEqual([0, false]);
});

it('delivers many small chunks of one read as one piece', () => {
  const parser = new ReplyParser(LIMITS);
  const pieces: number[] = [];
  parser.begin({ onHead: () => undefined, onData: ({ length }) => pieces.push(length), onEnd: () => undefined });
  parser.read(
    Buffer.from(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${'1\r\nx\r\n'.repeat(1_000)}0\r\n\r\n`),
  );
  expect(pieces).toEqual([1_000]);
});

/** Bytes as hostile as they can be made of parts of HTTP. */
const part = fc.oneof(
  fc.constantFrom(
    ...['HTTP/1.1 200 OK', 'HTTP/1.0 200', 'HTTP/1.1 103 x', 'Content-Length: 3', 'Content-Length: 30'],
    ...[
      'Transfer-Encoding: chunked',
      'Connection: close',
      'X: y',
      ' folded',
      '\r\n',
      '\r\n\r\n',
      '\n',
      '\r',
      '0',
      '3',
      'abc',
    ],
    ...['3\r\nabc\r\n', '0\r\n\r\n', ';ext', ': ', '\0', 'é'],
  ),
  fc.string({ unit: 'binary', maxLength: 8 }),
);
const reply = fc.oneof(
  fc.array(part, { maxLength: 20 }).map((parts) => parts.join('')),
  fc.array(part, { maxLength: 12 }).map((parts) => `HTTP/1.1 200 OK\r\n${parts.join('')}`),
  fc
    .array(part, { maxLength: 12 })
    .map((parts) => `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${parts.join('')}`),
);

it('parses any bytes the same way, however they are split, and fails only with a ReplyError', () => {
  fc.assert(
    fc.property(reply, fc.array(fc.nat({ max: 200 }), { maxLength: 6 }), (text, cuts) => {
      const bytes = Buffer.from(text);
      const at = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
      const pieces = at.slice(1).map((to, index) => bytes.subarray(at[index], to));
      expect(told(pieces, true)).toEqual(told([bytes], true));
    }),
    { numRuns: 3_000, seed: 20_261_128 },
  );
});
