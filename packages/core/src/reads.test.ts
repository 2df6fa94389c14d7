import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import tls from 'node:tls';
import { lend, sharedReads, shareReads, sharesReads } from './reads.js';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0).reverse()) close();
});

/** Both ends of a connection; the server's is passed to `onAccepted` in the event that brings it. */
async function connected(
  onAccepted: (socket: Socket) => void,
): Promise<{ client: Socket; server: Socket; port: number }> {
  const accepted = Promise.withResolvers<Socket>();
  const server = createServer((socket) => {
    onAccepted(socket);
    accepted.resolve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const client = connect(port, '127.0.0.1');
  closing.push(
    () => server.close(),
    () => client.destroy(),
  );
  const socket = await accepted.promise;
  closing.push(() => socket.destroy());
  return { client, server: socket, port };
}

/** Collects what is read, with copies and without. */
function collector() {
  const copies: Buffer[] = [];
  const kept: Buffer[] = [];
  const onBytes = (bytes: Buffer) => {
    copies.push(Buffer.from(bytes));
    kept.push(bytes);
  };
  return { onBytes, kept, text: () => Buffer.concat(copies).toString() };
}

const ended = (socket: Socket) => new Promise((resolve) => socket.once('end', resolve));

it('an accepted socket reads into the shared memory, to the end', async () => {
  const read = collector();
  const { client, server } = await connected((socket) => shareReads(socket, read.onBytes));
  const end = ended(server);
  client.write('first ');
  await new Promise((resolve) => setTimeout(resolve, 10));
  client.end('second');
  await end;
  // Fails with a Node whose internals are others: then every read allocates again, and docs/performance.md is wrong.
  expect([sharesReads(server), read.text()]).toEqual([true, 'first second']);
  expect(new Set(read.kept.map(({ buffer }) => buffer)).size).toBe(1);
});

it('a client socket does so by an option', async () => {
  const read = collector();
  const { server, port } = await connected((socket) => void socket.end('an answer'));
  const client = connect({ port, host: '127.0.0.1', onread: sharedReads(read.onBytes) });
  closing.push(() => client.destroy());
  await ended(client);
  expect([sharesReads(client), sharesReads(server), read.text()]).toEqual([true, false, 'an answer']);
});

it('in tests, bytes that somebody keeps without a copy are overwritten', async () => {
  const read = collector();
  const { client, server } = await connected((socket) => shareReads(socket, read.onBytes));
  const end = ended(server);
  client.end('secret');
  await end;
  expect([read.text(), read.kept[0]]).toEqual(['secret', Buffer.alloc(6, 0xdb)]);
  const own = Buffer.from('own');
  lend(own, () => undefined);
  expect(own).toEqual(Buffer.alloc(3, 0xdb));
});

it('what was read before comes first', async () => {
  const read = collector();
  const { client, server } = await connected(() => undefined);
  client.write('early, ');
  await new Promise((resolve) => server.once('readable', resolve));
  shareReads(server, read.onBytes);
  const end = ended(server);
  client.end('late');
  await end;
  expect(read.text()).toBe('early, late');
});

it.each`
  what                   | change
  ${'its memory'}        | ${(socket: Socket) => Object.defineProperty(socket, '_handle', { value: { ...{} } })}
  ${'any handle at all'} | ${(socket: Socket) => Object.defineProperty(socket, '_handle', { value: null })}
`('a socket that does not let anybody choose $what reads as usual', ({ change }) => {
  const read = collector();
  const plain = new tls.TLSSocket(connect({ port: 1, host: '127.0.0.1' }).on('error', () => undefined));
  closing.push(() => plain.destroy());
  change(plain.on('error', () => undefined));
  shareReads(plain, read.onBytes);
  plain.emit('data', Buffer.from('as usual'));
  expect([sharesReads(plain), read.text()]).toEqual([false, 'as usual']);
});
