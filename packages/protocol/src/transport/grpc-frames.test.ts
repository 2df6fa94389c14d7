import { AssemblyBudget, Deframer, FrameError, frameMessage, OversizeError } from './grpc-frames.js';

function collect(deframer: Deframer, ...chunks: Buffer[]): string[] {
  const messages: string[] = [];
  for (const chunk of chunks) deframer.push(chunk, { onMessageBytes: (message) => messages.push(String(message)) });
  return messages;
}

const MESSAGES = ['', 'a', 'two', 'x'.repeat(40_000), '', 'last'];
const BYTES = Buffer.concat(MESSAGES.map((message) => frameMessage(Buffer.from(message))));

it.each([1, 2, 4, 5, 6, 7, 1000, 16_384, BYTES.length])('finds the messages in pieces of %i bytes', (size) => {
  const budget = new AssemblyBudget(1e6);
  const deframer = new Deframer(1e6, budget);
  const pieces = Array.from({ length: Math.ceil(BYTES.length / size) }, (_, i) =>
    BYTES.subarray(i * size, (i + 1) * size),
  );
  expect(collect(deframer, ...pieces)).toEqual(MESSAGES);
  expect(budget.bytes).toBe(0);
});

it('finds them without a budget, too, and may drop one in the middle', () => {
  const deframer = new Deframer(1e6);
  collect(deframer, BYTES.subarray(0, 1000));
  deframer.drop();
  expect(collect(deframer, BYTES.subarray(0, 20_000), BYTES.subarray(20_000))).toEqual(MESSAGES);
});

it('an announced length alone allocates next to nothing', () => {
  const budget = new AssemblyBudget(1e9);
  const deframer = new Deframer(4 << 20, budget);
  collect(deframer, frameMessage(Buffer.alloc(4 << 20)).subarray(0, 6));
  expect(budget.bytes).toBeLessThanOrEqual(16 * 1024);
  deframer.drop();
  expect(budget.bytes).toBe(0);
});

it('the messages of all streams together are limited, and dropped ones are given back', () => {
  const budget = new AssemblyBudget(64 * 1024);
  const half = frameMessage(Buffer.alloc(40_000)).subarray(0, 30_000);
  const [first, second] = [new Deframer(1e6, budget), new Deframer(1e6, budget)];
  collect(first, half);
  expect(() => collect(second, half, half)).toThrow(FrameError);
  second.drop();
  first.drop();
  expect(budget.bytes).toBe(0);
  expect(collect(new Deframer(1e6, budget), BYTES)).toEqual(MESSAGES);
});

it.each`
  what                           | bytes
  ${'a compressed message'}      | ${Buffer.from([1, 0, 0, 0, 0])}
  ${'a message above the limit'} | ${Buffer.from([0, 0, 0, 1, 1])}
`('rejects $what, in one piece and byte by byte', ({ bytes }) => {
  expect(() => collect(new Deframer(256), bytes)).toThrow(FrameError);
  expect(() => collect(new Deframer(256), ...[...bytes].map((byte) => Buffer.from([byte])))).toThrow(FrameError);
});

describe('memory grows with the received data', () => {
  const MIB = 1024 * 1024;
  const long = frameMessage(Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251)));

  it.each`
    come       | held
    ${5}       | ${0}
    ${6}       | ${16_384}
    ${16_389}  | ${16_384}
    ${16_390}  | ${32_768}
    ${32_774}  | ${65_536}
    ${300_004} | ${300_000}
    ${300_005} | ${0}
  `('of a message of 300 000 bytes $come have arrived: $held are allocated', ({ come, held }) => {
    const budget = new AssemblyBudget(MIB);
    const deframer = new Deframer(MIB, budget);
    const messages: Buffer[] = [];
    const sink = { onMessageBytes: (message: Buffer) => void messages.push(Buffer.from(message)) };
    for (let at = 0; at < come; at += 1000) deframer.push(long.subarray(at, Math.min(come, at + 1000)), sink);
    expect(budget.bytes).toBe(held);
    deframer.drop();
    expect(budget.bytes).toBe(0);
    expect(messages.map((message) => message.equals(long.subarray(5)))).toEqual(come === long.length ? [true] : []);
  });

  it('a large piece is held as it is, not twice', () => {
    const budget = new AssemblyBudget(MIB);
    collect(new Deframer(MIB, budget), long.subarray(0, 200_005));
    expect(budget.bytes).toBe(200_000);
  });

  it('starts over after a drop', () => {
    const deframer = new Deframer(MIB, new AssemblyBudget(MIB));
    for (const cut of [3, 5, 100]) {
      collect(deframer, long.subarray(0, cut));
      deframer.drop();
      expect(collect(deframer, BYTES)).toEqual(MESSAGES);
    }
  });

  it.each`
    limit     | fits
    ${20_000} | ${true}
    ${19_999} | ${false}
  `('a budget of $limit has room for 20 000 bytes: $fits', ({ limit, fits }) => {
    const push = () => collect(new Deframer(MIB, new AssemblyBudget(limit)), long.subarray(0, 20_005));
    if (fits) expect(push()).toEqual([]);
    else expect(push).toThrow(`incomplete messages of more than ${limit} bytes on one connection`);
  });

  it.each`
    bytes  | fits
    ${256} | ${true}
    ${257} | ${false}
  `('a message of $bytes bytes is accepted with a limit of 256: $fits', ({ bytes, fits }) => {
    const push = () => collect(new Deframer(256), frameMessage(Buffer.alloc(bytes)));
    if (fits) expect(push()).toHaveLength(1);
    else expect(push).toThrow(new OversizeError(257, 256));
  });
});
