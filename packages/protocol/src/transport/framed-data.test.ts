import { encodeClientMessage } from '../wire/codec.js';
import { FramedData } from './framed-data.js';
import { frameMessage } from './grpc-frames.js';

it.each([0, 1, 126, 127, 128, 10_240, 16_383, 16_384, 300_000])('%i bytes are encoded as by the codec', (bytes) => {
  for (const eof of [false, true]) {
    const message = { kind: 'data', data: Buffer.alloc(bytes, 'x'), eof } as const;
    const framed = new FramedData(message, false);
    const memory = Buffer.alloc(framed.length + 4);
    framed.writeTo(memory, 2);
    expect(memory.subarray(2, -2).equals(frameMessage(encodeClientMessage(message)))).toBe(true);
  }
});

it.each`
  bytes         | borrowed | then
  ${'borrowed'} | ${true}  | ${'are copied'}
  ${'owned'}    | ${false} | ${'stay where they are'}
`('$bytes bytes that have to wait for the peer $then', ({ borrowed }) => {
  const data = Buffer.from('of a read');
  const message = { kind: 'data', data, eof: true } as const;
  const expected = frameMessage(encodeClientMessage(message));
  const framed = new FramedData(message, borrowed);
  const kept = framed.kept();
  if (borrowed) data.fill(0);
  expect(kept === framed).toBe(!borrowed);
  const memory = Buffer.alloc(framed.length);
  if (kept === framed) framed.writeTo(memory, 0);
  else (kept as Buffer).copy(memory);
  expect(memory).toEqual(expected);
});
