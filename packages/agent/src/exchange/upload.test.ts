import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { takeSlab } from '@fnfleet/core';
import { Upload } from './upload.js';

let socket: PassThrough;
let body: PassThrough;
let upload: Upload;
const failures: string[] = [];
const turns: string[] = [];

beforeEach(() => {
  failures.length = 0;
  turns.length = 0;
  socket = new PassThrough({ highWaterMark: 30 });
  body = new PassThrough();
  upload = new Upload(socket as unknown as Socket, body, {
    onUploadFailed: (error) => void failures.push(error?.message ?? 'closed'),
    onUploadWaits: (bytes) => void turns.push(`waits ${bytes}`),
    onUploadBlocked: () => void turns.push('blocked'),
    onUploaded: () => void turns.push('uploaded'),
  });
});
afterEach(async () => {
  body.destroy();
  await settled();
  // Whoever is written to for years must not gather listeners.
  expect(['drain', 'error'].map((event) => socket.listenerCount(event))).toEqual([0, 0]);
});

/** Lets streams hand on what they hold. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** What has gone to the function since it was asked last. */
const sent = () => `${socket.read() ?? ''}`;

it('sends each piece as a chunk, and then the last chunk', async () => {
  body.write('piece by piece');
  await settled();
  expect([sent(), upload.isComplete]).toEqual(['e\r\npiece by piece\r\n', false]);
  body.write(Buffer.alloc(0));
  body.end('!');
  await settled();
  expect([sent(), upload.isComplete, failures]).toEqual(['1\r\n!\r\n0\r\n\r\n', true, []]);
});

it('what arrives in one turn is one chunk; more than 64 KiB do not wait for its end', async () => {
  for (const piece of ['one ', 'and ', 'two']) body.emit('data', Buffer.from(piece));
  expect(sent()).toBe('');
  await settled();
  expect(sent()).toBe('b\r\none and two\r\n');
  for (let piece = 0; piece < 7; piece += 1) body.emit('data', Buffer.alloc(10_000, 'x'));
  expect(turns).toEqual(['waits 11', 'blocked']);
  let rest = '';
  for (let part = 0; part < 5; part += 1) {
    rest += sent();
    await settled();
  }
  expect(rest === `11170\r\n${'x'.repeat(70_000)}\r\n`).toBe(true);
});

it.each`
  socket              | act                       | given
  ${'has accepted'}   | ${() => undefined}        | ${true}
  ${'may still hold'} | ${() => socket.destroy()} | ${false}
`('memory that the socket $socket is given back: $given', async ({ act, given }) => {
  const slab = takeSlab();
  act();
  body.emit('data', slab.subarray(0, 10));
  await settled();
  sent();
  upload.close();
  expect(takeSlab().buffer === slab.buffer).toBe(given);
});

it('reads no more of the body than the function accepts, and resumes when it does', async () => {
  body.write('a'.repeat(40));
  await settled();
  body.write('more');
  await settled();
  expect([body.isPaused(), body.readableLength]).toEqual([true, 4]);
  expect(sent()).toBe(`28\r\n${'a'.repeat(40)}\r\n`);
  await settled();
  expect([body.isPaused(), sent()]).toEqual([false, '4\r\nmore\r\n']);
  body.end();
  await settled();
  expect(turns).toEqual(['blocked', 'waits 0', 'waits 4', 'uploaded']);
});

it.each`
  what                           | breaks                                          | failure
  ${'breaks off with an error'}  | ${() => body.destroy(new Error('client left'))} | ${['client left', 'closed']}
  ${'is closed without its end'} | ${() => body.destroy()}                         | ${['closed']}
`('a body that $what is no complete one', async ({ breaks, failure }) => {
  body.write('half');
  await settled();
  breaks();
  await settled();
  expect([sent(), upload.isComplete, failures]).toEqual(['4\r\nhalf\r\n', false, failure]);
});

it.each`
  then            | act
  ${'has more'}   | ${() => body.write('more')}
  ${'ends'}       | ${() => body.end()}
  ${'is closed'}  | ${() => body.destroy()}
  ${'breaks off'} | ${() => body.destroy(new Error('client left'))}
`('once it was stopped nothing is written, and nobody is told: the body $then', async ({ act }) => {
  body.write('a'.repeat(40));
  await settled();
  upload.close();
  upload.close();
  sent();
  body.resume();
  act();
  await settled();
  expect([sent(), upload.isComplete, failures]).toEqual(['', false, []]);
});
