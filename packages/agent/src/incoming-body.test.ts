import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { IncomingBody } from './incoming-body.js';

it('a body that turns out empty is consumed by whoever saw its end, without a read', async () => {
  const request = Object.assign(new PassThrough(), { complete: false });
  const body = new IncomingBody(request as unknown as IncomingMessage);
  const stream = body.stream();
  request.complete = true;
  request.end();
  await once(stream, 'finish');
  stream.read(0); // as undici does, to learn the length
  expect([stream.readableLength, body.consumed]).toEqual([0, true]);
});

it('a body with something in it is consumed by reading it', async () => {
  const request = Object.assign(new PassThrough(), { complete: false });
  const body = new IncomingBody(request as unknown as IncomingMessage);
  const stream = body.stream();
  request.complete = true;
  request.end('something');
  await once(stream, 'finish');
  expect(body.consumed).toBe(false);
  await once(stream.resume(), 'end');
  expect(body.consumed).toBe(true);
});
