import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { readBody } from './request-body.js';

it('keeps few pieces of a body that a client sends one byte at a time: each costs far more than its byte', async () => {
  const length = 10_000;
  const allowed = 2_000;
  function* pieces() {
    const sent: Buffer[] = [];
    for (let n = 0; n < length; n += 1) {
      const piece = Buffer.alloc(1, n % 251);
      sent.push(piece);
      // Seen in the body if it still consists of this piece.
      sent[n - allowed]?.fill(255);
      yield piece;
    }
  }
  const req = Readable.from(pieces(), { highWaterMark: 1 }) as unknown as IncomingMessage;
  const body = await readBody(req, 0);
  expect(body.length).toBe(length);
  expect(body.every((byte, n) => byte === n % 251)).toBe(true);
});
