import { FrameReader, type FrameSink } from './frame-reader.js';
import { frame, framesIn, type RawFrame } from './test-kit/frames.js';
import { ConnectionError, FRAME, PREFACE } from './wire.js';

class Collected implements FrameSink {
  readonly frames: RawFrame[] = [];
  isClosed = false;

  onFrame(type: number, flags: number, stream: number, bytes: Buffer, start: number, length: number): void {
    this.frames.push({ type, flags, stream, payload: Buffer.from(bytes.subarray(start, start + length)) });
  }
}

const STREAM = Buffer.concat([
  frame(FRAME.SETTINGS),
  frame(FRAME.HEADERS, 4, 1, Buffer.from('head')),
  frame(FRAME.DATA, 0, 1, Buffer.alloc(16_384, 'x')),
  frame(FRAME.DATA, 1, 1),
  frame(FRAME.PING, 1, 0, Buffer.from('12345678')),
  frame(0xff, 0, 0x7fffffff, Buffer.from('extension')),
]);
const FRAMES = framesIn(STREAM);

it.each([1, 2, 3, 8, 9, 10, 13, 100, 4096, 16_393, STREAM.length])(
  'finds every frame in pieces of %i bytes',
  (size) => {
    const sink = new Collected();
    const reader = new FrameReader(sink, true);
    const bytes = Buffer.concat([PREFACE, STREAM]);
    for (let at = 0; at < bytes.length; at += size) reader.push(Buffer.from(bytes.subarray(at, at + size)));
    expect(sink.frames).toEqual(FRAMES);
  },
);

it('finds every frame wherever the bytes were split in two', () => {
  const small = Buffer.concat([
    PREFACE,
    frame(FRAME.SETTINGS),
    frame(FRAME.DATA, 0, 1, Buffer.from('abc')),
    frame(FRAME.PING, 0, 0),
  ]);
  const expected = framesIn(small);
  for (let at = 0; at <= small.length; at += 1) {
    const sink = new Collected();
    const reader = new FrameReader(sink, true);
    reader.push(small.subarray(0, at));
    reader.push(small.subarray(at));
    expect(sink.frames).toEqual(expected);
  }
});

it('ignores the reserved bit of a stream number', () => {
  const sink = new Collected();
  new FrameReader(sink, false).push(frame(FRAME.PING, 0, 0x80000003));
  expect(sink.frames[0]?.stream).toBe(3);
});

it.each`
  what                                 | bytes
  ${'HTTP/1.1'}                        | ${Buffer.from('GET / HTTP/1.1\r\n\r\n')}
  ${'a preface with one wrong letter'} | ${Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r!')}
  ${'a frame above the limit'}         | ${Buffer.concat([PREFACE, Buffer.from([0, 0x40, 1, 0, 0, 0, 0, 0, 1])])}
`('rejects $what, in one piece and byte by byte', ({ bytes }) => {
  expect(() => new FrameReader(new Collected(), true).push(bytes)).toThrow(ConnectionError);
  const reader = new FrameReader(new Collected(), true);
  expect(() => {
    for (const byte of bytes) reader.push(Buffer.from([byte]));
  }).toThrow(ConnectionError);
});

it('reads no further once it was told to stop', () => {
  const sink = new Collected();
  const reader = new FrameReader(sink, false);
  const onFrame = sink.onFrame.bind(sink);
  sink.onFrame = (...of) => {
    onFrame(...of);
    sink.isClosed = true;
  };
  reader.push(STREAM);
  expect(sink.frames).toHaveLength(1);
});
