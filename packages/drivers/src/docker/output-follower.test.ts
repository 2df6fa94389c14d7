import type { OutputSource } from '../driver.js';
import { OutputFrames } from './output-follower.js';

function frame(stream: 1 | 2, text: string): Buffer {
  const head = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([head, Buffer.from(text)]);
}

const STREAM = Buffer.concat([frame(1, 'to one'), frame(2, ''), frame(2, 'x'.repeat(300)), frame(1, ' and on')]);

it.each([1, 3, 8, 9, 1000])('separates both outputs when the stream arrives in chunks of %d bytes', (size) => {
  const seen: Record<OutputSource, string> = { stdout: '', stderr: '' };
  const frames = new OutputFrames();
  for (let at = 0; at < STREAM.length; at += size) {
    frames.push(STREAM.subarray(at, at + size), (chunk, source) => {
      seen[source] += chunk;
    });
  }
  expect(seen).toEqual({ stdout: 'to one and on', stderr: 'x'.repeat(300) });
});

it('passes on the received part of a frame without waiting for the rest', () => {
  const pieces: string[] = [];
  new OutputFrames().push(frame(1, 'half of it').subarray(0, 12), (chunk) => pieces.push(String(chunk)));
  expect(pieces).toEqual(['half']);
});
