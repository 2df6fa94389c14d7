import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { Connection } from './connection.js';
import { encodeHeaders } from './hpack/encoder.js';
import { frame, SETTINGS, uint32 } from './test-kit/frames.js';
import { StreamEvents } from './test-kit/wired.js';
import { FRAME, H2_ERROR } from './wire.js';

const REQUEST = encodeHeaders([[':method', 'POST']]);

/** A peer in a thread of its own: it sends, and is gone, while this thread does not read. */
const PEER = `
const { parentPort, workerData } = require('node:worker_threads');
const server = require('node:net').createServer((socket) => {
  socket.on('error', () => undefined);
  socket.once('data', () => {
    socket.write(workerData.hello);
    parentPort.once('message', ({ lastWords, ends }) => {
      socket.write(lastWords, () => {
        if (ends === 'with a reset') socket.resetAndDestroy();
        else if (ends === 'as when it is killed') socket.destroy();
        const done = new Int32Array(workerData.done);
        setTimeout(() => {
          Atomics.store(done, 0, 1);
          Atomics.notify(done, 0);
        }, 50);
      });
    });
  });
  server.close();
});
server.listen(workerData.at, () => parentPort.postMessage(server.address()));
`;

/** Two calls are under way when the peer refuses the first of them and leaves; this end writes before it reads. */
async function goneWhileWriting(
  ends: string,
  at: net.ListenOptions,
): Promise<{ refused: StreamEvents; other: StreamEvents; reason: string }> {
  const done = new SharedArrayBuffer(4);
  const peer = new Worker(PEER, { eval: true, workerData: { at, done, hello: SETTINGS } });
  const [bound] = await once(peer, 'message');
  const socket = typeof bound === 'string' ? net.connect(bound) : net.connect(bound.port, bound.address);
  await once(socket, 'connect');
  const ready = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<Error>();
  const connection = new Connection(socket, {
    role: 'client',
    streamWindowBytes: 65_535,
    connectionWindowBytes: 1_000_000,
    maxStreams: 100,
    stuckLooks: 3,
    stalledLooks: 3,
    events: { onReady: ready.resolve, onClose: closed.resolve },
  });
  connection.flush();
  await ready.promise;
  const [refused, other] = [new StreamEvents(), new StreamEvents()];
  for (const received of [refused, other]) received.stream = connection.request(REQUEST, received);
  connection.flush();
  await new Promise((resolve) => setTimeout(resolve, 20));

  peer.postMessage({ lastWords: frame(FRAME.RST_STREAM, 0, 1, uint32(H2_ERROR.REFUSED_STREAM)), ends });
  Atomics.wait(new Int32Array(done), 0, 0, 10_000);
  // The first write after the end may still succeed; the answer to it is a reset.
  for (let times = 0; times < 2; times += 1) {
    other.stream?.sendData(Buffer.from('more'));
    connection.flush();
    if (times === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  }
  const { message } = await closed.promise;
  await peer.terminate();
  expect(socket.destroyed).toBe(true);
  return { refused, other, reason: message };
}

const UNIX = path.join(mkdtempSync(path.join(tmpdir(), 'fnfleet-unread-')), 's');
afterAll(() => rmSync(path.dirname(UNIX), { recursive: true }));

it.each`
  ends                      | over               | at
  ${'with a reset'}         | ${'TCP'}           | ${{ port: 0, host: '127.0.0.1' }}
  ${'as when it is killed'} | ${'TCP'}           | ${{ port: 0, host: '127.0.0.1' }}
  ${'as when it is killed'} | ${'a unix socket'} | ${{ path: UNIX }}
`('data of a peer that is gone ($ends) is read over $over, even if a write fails first', async ({ ends, at }) => {
  const { refused, other, reason } = await goneWhileWriting(ends, at);
  expect(reason).toMatch(/EPIPE|ECONNRESET/);
  expect(refused.closed).toEqual([expect.objectContaining({ unprocessed: true })]);
  expect(other.closed).toEqual([expect.objectContaining({ unprocessed: false, allDataRead: true })]);
});
