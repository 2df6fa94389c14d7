import { BodyPump } from './body-pump.js';
import { type ClientMessage, MAX_FRAME_BYTES } from './messages.js';
import type { BodyPiece, BodyReader } from './outbound-call.js';
import type { ClientStream } from './stream.js';

/** A body whose pieces the test provides. Counts how often it is read. */
class Source implements BodyReader {
  onReadable: (() => void) | undefined;
  reads = 0;
  closed = 0;
  private readonly pieces: (BodyPiece | Error)[] = [];

  constructor(...pieces: (BodyPiece | Error)[]) {
    this.pieces.push(...pieces);
  }

  read(): BodyPiece | undefined {
    if (this.closed > 0) throw new Error('read after close');
    this.reads += 1;
    const piece = this.pieces.shift();
    if (piece instanceof Error) throw piece;
    return piece;
  }

  arrives(...pieces: BodyPiece[]): void {
    this.pieces.push(...pieces);
    this.onReadable?.();
  }

  close(): void {
    this.closed += 1;
  }
}

/** A stream that accepts a number of messages. */
class Sink implements ClientStream {
  room = Number.POSITIVE_INFINITY;
  halfCloses = 0;
  onSend: (() => void) | undefined;
  readonly sent: ClientMessage[] = [];

  send(message: ClientMessage): boolean {
    if (this.halfCloses > 0) throw new Error('sent after the end');
    this.sent.push(message);
    this.room -= 1;
    this.onSend?.();
    return this.room > 0;
  }
  halfClose() {
    this.halfCloses += 1;
  }
  get frames(): [bytes: number, eof: boolean][] {
    return this.sent.map((message) => (message.kind === 'data' ? [message.data.length, message.eof] : [-1, false]));
  }
  pause() {}
  resume() {}
  cancel() {}
  release() {}
}

const piece = (bytes: number, last = false): BodyPiece => ({ data: Buffer.alloc(bytes, 'abcdefg'), last });

function pumping(source: Source, sink = new Sink()) {
  const errors: Error[] = [];
  const pump = new BodyPump(source, sink, (error) => errors.push(error));
  pump.run();
  return { pump, source, sink, errors };
}

describe('frames', () => {
  it.each`
    what                                           | pieces                                   | frames
    ${'an empty body is one empty frame with eof'} | ${[piece(0, true)]}                      | ${[[0, true]]}
    ${'a single piece that is the last'}           | ${[piece(20, true)]}                     | ${[[20, true]]}
    ${'an end that comes later is an empty frame'} | ${[piece(20), piece(0, true)]}           | ${[[20, false], [0, true]]}
    ${'an empty piece in between makes no frame'}  | ${[piece(20), piece(0), piece(5, true)]} | ${[[20, false], [5, true]]}
    ${'a frame of exactly the maximum size'}       | ${[piece(MAX_FRAME_BYTES, true)]}        | ${[[MAX_FRAME_BYTES, true]]}
    ${'one more byte makes another frame'}         | ${[piece(MAX_FRAME_BYTES + 1, true)]}    | ${[[MAX_FRAME_BYTES, false], [1, true]]}
  `('$what', ({ pieces, frames }) => {
    const { sink, source, errors } = pumping(new Source(...pieces));
    expect(sink.frames).toEqual(frames);
    expect([sink.halfCloses, source.closed, errors]).toEqual([1, 1, []]);
  });

  it('carry the body unchanged', () => {
    const body = Buffer.from(Array.from({ length: 50_000 }, (_, i) => i % 251));
    const { sink } = pumping(new Source({ data: body, last: true }));
    const parts = sink.sent.map((message) => (message.kind === 'data' ? message.data : Buffer.alloc(0)));
    expect(Buffer.concat(parts).equals(body)).toBe(true);
  });
});

describe('back-pressure', () => {
  it('nothing is read while the stream accepts no more, and a started piece is continued', () => {
    const sink = new Sink();
    sink.room = 2;
    const { source, pump } = pumping(new Source(piece(3 * MAX_FRAME_BYTES), piece(7, true)), sink);
    expect([sink.sent.length, source.reads]).toEqual([2, 1]);
    // The source has more, which is no reason to send.
    source.arrives(piece(1));
    expect(sink.sent.length).toBe(3);
    sink.room = 1;
    pump.run();
    expect([sink.sent.length, source.reads]).toEqual([4, 2]);
    expect(sink.frames).toEqual([
      [MAX_FRAME_BYTES, false],
      [MAX_FRAME_BYTES, false],
      [MAX_FRAME_BYTES, false],
      [7, true],
    ]);
  });

  it('each frame of a slow stream is one frame, however often the source calls', () => {
    const sink = new Sink();
    sink.room = 0;
    const { pump } = pumping(new Source(piece(10 * MAX_FRAME_BYTES), piece(0, true)), sink);
    expect(sink.sent.length).toBe(1);
    for (let sent = 2; sent <= 9; sent += 1) {
      pump.run();
      expect(sink.sent.length).toBe(sent);
    }
  });

  it('waits for a source without data, and does not poll it', () => {
    const { source, sink } = pumping(new Source(piece(5)));
    expect([sink.sent.length, source.reads]).toEqual([1, 2]);
    source.arrives(piece(6, true));
    expect(sink.frames).toEqual([
      [5, false],
      [6, true],
    ]);
  });

  it('a stream that accepts more at once causes no recursion', () => {
    const sink = new Sink();
    const source = new Source();
    for (let i = 0; i < 50_000; i += 1) source.arrives(piece(1));
    source.arrives(piece(0, true));
    const pump = new BodyPump(source, sink, () => undefined);
    sink.onSend = () => pump.run();
    pump.run();
    expect(sink.sent.length).toBe(50_001);
  });
});

describe('the end', () => {
  it('a source that fails is closed, and the call is notified once', () => {
    const broken = new Error('client left');
    const { source, sink, errors, pump } = pumping(new Source(piece(5), broken));
    expect([errors, source.closed, sink.halfCloses]).toEqual([[broken], 1, 0]);
    pump.run();
    pump.close();
    expect([errors.length, source.closed]).toEqual([1, 1]);
  });

  it('a thrown value that is not an Error is reported as one', () => {
    const throwing = new Source();
    throwing.read = () => {
      throw 'text';
    };
    expect(pumping(throwing).errors).toEqual([new Error('text')]);
  });

  it('once stopped nothing is read or sent, and the source holds no reference to it', () => {
    const sink = new Sink();
    sink.room = 1;
    const { pump, source } = pumping(new Source(piece(5 * MAX_FRAME_BYTES), piece(0, true)), sink);
    pump.close();
    pump.close();
    pump.run();
    expect([sink.sent.length, source.closed, source.onReadable]).toEqual([1, 1, undefined]);
  });
});
