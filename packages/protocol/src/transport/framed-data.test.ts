import { encodeClientMessage } from '../wire/codec.js';
import { FramedData } from './framed-data.js';
import { frameMessage } from './grpc-frames.js';

it.each([0, 1, 126, 127, 128, 10_240, 16_383, 16_384, 300_000])('%i bytes are encoded as by the codec', (bytes) => {
  for (const eof of [false, true]) {
    const message = { kind: 'data', data: Buffer.alloc(bytes, 'x'), eof } as const;
    const framed = new FramedData(message);
    const memory = Buffer.alloc(framed.length + 4);
    framed.writeTo(memory, 2);
    expect(memory.subarray(2, -2).equals(frameMessage(encodeClientMessage(message)))).toBe(true);
  }
});
