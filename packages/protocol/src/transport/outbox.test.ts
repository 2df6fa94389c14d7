import { Outbox } from './outbox.js';
import { FakeSocket } from './test-kit/fake-socket.js';
import { framesIn } from './test-kit/frames.js';
import { FLAG, FRAME } from './wire.js';

const KIB = 1024;
const MAX_FRAME = 16 * KIB;

let socket: FakeSocket;
let outbox: Outbox;
/** How often the socket had accepted everything that it was given. */
let taken: number;
beforeEach(() => {
  socket = new FakeSocket();
  taken = 0;
  outbox = new Outbox(
    socket.asSocket,
    () => {
      taken += 1;
    },
    () => undefined,
  );
});

const turn = () => new Promise((resolve) => setImmediate(resolve));
const frames = () =>
  framesIn(socket.written).map(({ type, flags, stream, payload }) => [type, flags, stream, `${payload}`]);

function frame(text: string, stream = 0): void {
  Buffer.from(text).copy(outbox.memory, outbox.frame(FRAME.PING, FLAG.NONE, stream, text.length));
}

function data(stream: number, text: string, last = false): void {
  const at = outbox.data(stream, text.length, MAX_FRAME, last);
  Buffer.from(text).copy(outbox.memory, at);
}

it('is empty at first, and writes nothing', () => {
  outbox.flush();
  expect([outbox.bytes, outbox.hasUnsent, outbox.isWriting, outbox.isDue, socket.writes]).toEqual([
    0,
    false,
    false,
    false,
    [],
  ]);
});

it('frames leave in order, in one write', async () => {
  frame('one', 0x12345678);
  frame('', 1);
  frame('three');
  expect([outbox.bytes, outbox.hasUnsent, outbox.isWriting]).toEqual([35, true, false]);
  outbox.flush();
  expect([outbox.bytes, outbox.hasUnsent, outbox.isWriting]).toEqual([35, false, true]);
  expect(socket.writes).toHaveLength(1);
  expect(frames()).toEqual([
    [FRAME.PING, 0, 0x12345678, 'one'],
    [FRAME.PING, 0, 1, ''],
    [FRAME.PING, 0, 0, 'three'],
  ]);
  await turn();
  expect([outbox.bytes, outbox.isWriting, taken]).toEqual([0, false, 1]);
});

it('one write is under way at a time: later data waits, and is counted', async () => {
  socket.open = false;
  frame('one');
  outbox.flush();
  frame('two!');
  outbox.flush();
  expect([socket.writes.length, outbox.bytes, outbox.hasUnsent]).toEqual([1, 25, true]);
  socket.drain();
  expect([outbox.bytes, taken]).toEqual([13, 1]);
  outbox.flush();
  await turn();
  expect([frames().map(([, , , text]) => text), outbox.bytes, taken]).toEqual([['one', 'two!'], 0, 2]);
});

describe('DATA of one stream', () => {
  it('shares a frame as long as nothing else comes between', () => {
    data(1, 'a');
    data(1, 'b');
    data(3, 'c');
    data(1, 'd');
    frame('');
    data(1, 'e');
    outbox.flush();
    expect(frames()).toEqual([
      [FRAME.DATA, 0, 1, 'ab'],
      [FRAME.DATA, 0, 3, 'c'],
      [FRAME.DATA, 0, 1, 'd'],
      [FRAME.PING, 0, 0, ''],
      [FRAME.DATA, 0, 1, 'e'],
    ]);
  });

  it('does not exceed the limit of a frame, to the byte', () => {
    const half = 'x'.repeat(MAX_FRAME / 2);
    data(1, half);
    data(1, half);
    data(1, 'y');
    outbox.flush();
    expect(frames().map(([, , , text]) => String(text).length)).toEqual([MAX_FRAME, 1]);
  });

  it('is not added to bytes that were passed to the socket', async () => {
    data(1, 'a');
    outbox.flush();
    data(1, 'b');
    expect(outbox.endData(1)).toBe(true);
    await turn();
    outbox.flush();
    expect(frames()).toEqual([
      [FRAME.DATA, 0, 1, 'a'],
      [FRAME.DATA, FLAG.END_STREAM, 1, 'b'],
    ]);
  });

  it('ends with its last bytes, or later with the frame that is still here', () => {
    data(1, 'a');
    data(1, 'b', true);
    expect(outbox.endData(1)).toBe(false); // it has ended
    data(3, 'c');
    expect([outbox.endData(1), outbox.endData(3), outbox.endData(3)]).toEqual([false, true, false]);
    data(5, 'd', true);
    data(5, 'e');
    outbox.flush();
    expect(frames()).toEqual([
      [FRAME.DATA, FLAG.END_STREAM, 1, 'ab'],
      [FRAME.DATA, FLAG.END_STREAM, 3, 'c'],
      [FRAME.DATA, FLAG.END_STREAM, 5, 'd'],
      [FRAME.DATA, 0, 5, 'e'],
    ]);
  });
});

it('is worth a write before the end of the turn from 48 KiB on, unless one is under way', () => {
  socket.open = false;
  data(1, 'x'.repeat(16_000));
  data(3, 'x'.repeat(16_000));
  data(5, 'x'.repeat(48 * KIB - 3 * 9 - 32_000 - 1));
  expect(outbox.isDue).toBe(false);
  data(5, 'x');
  expect(outbox.isDue).toBe(true);
  outbox.flush();
  data(7, 'x'.repeat(16_000));
  data(9, 'x'.repeat(16_000));
  data(11, 'x'.repeat(16_000));
  data(13, 'x'.repeat(16_000));
  expect(outbox.isDue).toBe(false);
});

it('data added while a write was under way counts alone afterwards', () => {
  socket.open = false;
  data(1, 'x'.repeat(16_000));
  data(3, 'x'.repeat(16_000));
  outbox.flush();
  data(5, 'x'.repeat(16_000));
  socket.drain();
  expect([outbox.isWriting, outbox.bytes, outbox.isDue]).toEqual([false, 16_009, false]);
});

it('more than one slab of data leaves in order, in one go', async () => {
  const texts = Array.from({ length: 40 }, (_, i) => String.fromCharCode(65 + i).repeat(10_000));
  for (const [i, text] of texts.entries()) data(2 * i + 1, text);
  expect(outbox.bytes).toBe(40 * 10_009);
  outbox.flush();
  expect([socket.writes.length, outbox.bytes, outbox.isWriting]).toEqual([1, 40 * 10_009, true]);
  await turn();
  expect([frames().map(([, , , text]) => text), outbox.bytes]).toEqual([texts, 0]);
});

it('memory that the socket has accepted is reused, and nothing of the old data is seen', async () => {
  const used = new Set<ArrayBufferLike>();
  for (let round = 0; round < 30; round += 1) {
    for (let i = 0; i < 20; i += 1) {
      data(2 * i + 1, String.fromCharCode(97 + (round % 26)).repeat(9_000));
      used.add(outbox.memory.buffer);
    }
    outbox.flush();
    await turn();
  }
  const letters = frames().map(([, , , text]) => new Set(String(text)));
  expect(letters.every(({ size }) => size === 1)).toBe(true);
  expect(letters).toHaveLength(600);
  expect(used.size).toBeLessThan(10); // of the 90 pieces that it took
});

it('a frame that is larger than a slab gets its own', () => {
  const payload = 100 * KIB;
  outbox.memory.fill(1, outbox.frame(FRAME.GOAWAY, 0, 0, payload));
  frame('after');
  outbox.flush();
  expect(framesIn(socket.written).map(({ payload: { length } }) => length)).toEqual([payload, 5]);
});

it('reports when everything that was there has been accepted, not what came later', async () => {
  const notified: string[] = [];
  socket.open = false;
  frame('one');
  outbox.whenTaken(() => notified.push('one'));
  outbox.flush();
  frame('two');
  outbox.whenTaken(() => notified.push('two'));
  expect(notified).toEqual([]);
  socket.drain();
  expect(notified).toEqual(['one']);
  outbox.flush();
  await turn();
  expect(notified).toEqual(['one', 'two']);
});

it('once closed it sends nothing, counts only what the socket has, and calls nobody', async () => {
  const notified: string[] = [];
  socket.open = false;
  frame('one');
  outbox.whenTaken(() => notified.push('one'));
  outbox.flush();
  for (let i = 0; i < 10; i += 1) data(2 * i + 1, 'x'.repeat(10_000));
  outbox.close();
  expect([outbox.bytes, outbox.hasUnsent]).toEqual([12, false]);
  socket.drain();
  frame('two');
  outbox.flush();
  await turn();
  expect([notified, taken, socket.writes.length]).toEqual([[], 0, 1]);
});

it('what the socket could not accept counts as under way, and nobody is notified that it left', async () => {
  const notified: string[] = [];
  socket.failure = new Error('EPIPE');
  frame('one');
  outbox.whenTaken(() => notified.push('one'));
  outbox.flush();
  await turn();
  expect([notified, taken, outbox.isWriting]).toEqual([[], 0, true]);
});
