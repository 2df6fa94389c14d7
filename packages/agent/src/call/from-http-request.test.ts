import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { IncomingBody } from './from-http-request.js';

it('a body that turns out to be empty is consumed at its end, without a read', async () => {
  const request = Object.assign(new PassThrough(), { complete: false });
  const body = new IncomingBody(request as unknown as IncomingMessage);
  const stream = body.stream();
  request.complete = true;
  request.end();
  await once(stream, 'finish');
  stream.read(0); // as undici does, to learn the length
  expect([stream.readableLength, body.consumed]).toEqual([0, true]);
});

it('a body with content is consumed by reading it', async () => {
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

it.each`
  what                          | ends                                                      | error
  ${'is aborted by the client'} | ${(request: PassThrough) => request.destroy()}            | ${'CancelledError'}
  ${'its reader discards'}      | ${(_: PassThrough, body: IncomingBody) => body.discard()} | ${undefined}
`('a body that $what ends, and leaves no listeners on the request', async ({ ends, error }) => {
  const request = Object.assign(new PassThrough(), { complete: false });
  const before = request.listenerCount('data') + request.listenerCount('close');
  const body = new IncomingBody(request as unknown as IncomingMessage);
  body.discard();
  const stream = body.stream();
  const failed = new Promise((resolve) => {
    stream.once('error', ({ name }) => resolve(name)).once('close', () => resolve(undefined));
  });
  request.write('half');
  ends(request, body);
  expect(await failed).toBe(error);
  await new Promise(setImmediate);
  expect([body.consumed, stream.destroyed]).toEqual([false, true]);
  expect(request.listenerCount('data') + request.listenerCount('close')).toBe(before);
});
