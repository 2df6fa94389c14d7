import { decodeFrames, encodeFrames } from './frames.js';

const frames = [
  { head: '{"a":"é"}', body: Buffer.from([0, 255, 10]) },
  { head: '', body: Buffer.alloc(0) },
];

it('frames arrive as they were sent', () => {
  const arrived = decodeFrames(encodeFrames(frames), 2);
  expect(arrived.map(({ head, body }) => [head, [...body]])).toEqual([
    ['{"a":"é"}', [0, 255, 10]],
    ['', []],
  ]);
  expect(decodeFrames(Buffer.alloc(0), 0)).toEqual([]);
});

it.each`
  what                                     | bytes                                     | max
  ${'more frames than allowed'}            | ${encodeFrames(frames)}                   | ${1}
  ${'an incomplete prefix'}                | ${Buffer.alloc(7)}                        | ${9}
  ${'a head longer than what has arrived'} | ${Buffer.from('ffffffff00000000', 'hex')} | ${9}
  ${'a body longer than what has arrived'} | ${Buffer.from('00000000ffffffff', 'hex')} | ${9}
  ${'a frame that was cut off at its end'} | ${encodeFrames(frames).subarray(0, 15)}   | ${9}
`('refuses $what', ({ bytes, max }) => {
  expect(() => decodeFrames(bytes, max)).toThrow(/^Bad request: /);
});
