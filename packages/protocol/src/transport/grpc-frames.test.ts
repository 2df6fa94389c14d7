import { AssemblyBudget, Deframer, FrameError, frameMessage } from './grpc-frames.js';

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

it('a length alone costs next to nothing', () => {
  const budget = new AssemblyBudget(1e9);
  const deframer = new Deframer(4 << 20, budget);
  collect(deframer, frameMessage(Buffer.alloc(4 << 20)).subarray(0, 6));
  expect(budget.bytes).toBeLessThanOrEqual(16 * 1024);
  deframer.drop();
  expect(budget.bytes).toBe(0);
});

it('the messages of all streams together are bounded, and what is dropped is given back', () => {
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
  what                               | bytes
  ${'a compressed message'}          | ${Buffer.from([1, 0, 0, 0, 0])}
  ${'a message larger than allowed'} | ${Buffer.from([0, 0, 0, 1, 1])}
`('refuses $what, in one piece and byte by byte', ({ bytes }) => {
  expect(() => collect(new Deframer(256), bytes)).toThrow(FrameError);
  expect(() => collect(new Deframer(256), ...[...bytes].map((byte) => Buffer.from([byte])))).toThrow(FrameError);
});
