import { once } from 'node:events';
import net from 'node:net';
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
server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
`;

/** Two calls are under way when the peer refuses the first of them and leaves; this end writes before it reads. */
async function goneWhileWriting(ends: string): Promise<{ refused: StreamEvents; other: StreamEvents; reason: string }> {
  const done = new SharedArrayBuffer(4);
  const peer = new Worker(PEER, { eval: true, workerData: { done, hello: SETTINGS } });
  const [port] = await once(peer, 'message');
  const socket = net.connect({ port, host: '127.0.0.1' });
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

it.each(['with a reset', 'as when it is killed'])(
  'data of a peer that is gone (%s) is read, even if a write fails first',
  async (ends) => {
    const { refused, other, reason } = await goneWhileWriting(ends);
    expect(reason).toMatch(/EPIPE|ECONNRESET/);
    expect(refused.closed).toEqual([expect.objectContaining({ unprocessed: true })]);
    expect(other.closed).toEqual([expect.objectContaining({ unprocessed: false, allDataRead: true })]);
  },
);
