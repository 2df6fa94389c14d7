import { ByteBlocks } from './byte-blocks.js';

const KIB = 1024;

/** So many bytes, each the low byte of its offset. */
function bytes(from: number, length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => from + i));
}

function blocksOf(...lengths: number[]): ByteBlocks {
  const blocks = new ByteBlocks();
  for (const length of lengths) blocks.push(bytes(blocks.end, length));
  return blocks;
}

/** All that is there, piece by piece. */
function pieces(blocks: ByteBlocks): Buffer[] {
  const found: Buffer[] = [];
  for (let at = blocks.start; at < blocks.end; at += found.at(-1)?.length ?? 1) found.push(blocks.from(at));
  return found;
}

function expectAllThere(blocks: ByteBlocks): void {
  const all = Buffer.concat(pieces(blocks));
  expect(all.equals(bytes(blocks.start, blocks.size))).toBe(true);
}

it('is empty at first', () => {
  const blocks = new ByteBlocks();
  expect([blocks.start, blocks.end, blocks.size]).toEqual([0, 0, 0]);
  expect(() => blocks.from(0)).toThrow(RangeError);
});

it('returns the bytes that were added, from any offset', () => {
  const blocks = blocksOf(20 * KIB, 1, 17 * KIB, 30 * KIB);
  expectAllThere(blocks);
  for (const at of [0, 1, 20 * KIB - 1, 20 * KIB, 20 * KIB + 1, 37 * KIB, 37 * KIB + 1, 67 * KIB]) {
    expect([at, blocks.from(at)[0]]).toEqual([at, at & 0xff]);
  }
});

it('joins small chunks up to 16 KiB, and keeps larger ones as they are', () => {
  expect(pieces(blocksOf(10, 20, 30)).map(({ length }) => length)).toEqual([60]);
  expect(pieces(blocksOf(16 * KIB - 1, 1, 1)).map(({ length }) => length)).toEqual([16 * KIB, 1]);
  expect(pieces(blocksOf(16 * KIB, 1)).map(({ length }) => length)).toEqual([16 * KIB, 1]);
});

it.each([-1, 100, 101])('byte %i of a hundred is out of range, and the error names the range', (offset) => {
  expect(() => blocksOf(100).from(offset)).toThrow(`byte ${offset} of 0 to 100`);
});

it.each`
  what                   | dropped
  ${'nothing'}           | ${0}
  ${'part of a block'}   | ${5 * KIB}
  ${'a whole block'}     | ${20 * KIB}
  ${'more than a block'} | ${21 * KIB}
  ${'all but a byte'}    | ${80 * KIB - 1}
`('after dropping $what at the front, the rest keeps its offsets', ({ dropped }) => {
  const blocks = blocksOf(20 * KIB, 20 * KIB, 20 * KIB, 20 * KIB);
  blocks.dropFront(dropped);
  expect([blocks.start, blocks.end, blocks.size]).toEqual([dropped, 80 * KIB, 80 * KIB - dropped]);
  expectAllThere(blocks);
  if (dropped > 0) expect(() => blocks.from(dropped - 1)).toThrow(RangeError);
});

it('takes more bytes after some or all were dropped', () => {
  const blocks = blocksOf(20 * KIB, 20 * KIB);
  blocks.dropFront(30 * KIB);
  blocks.push(bytes(blocks.end, 3 * KIB));
  expectAllThere(blocks);
  blocks.clear();
  expect([blocks.start, blocks.end, blocks.size]).toEqual([43 * KIB, 43 * KIB, 0]);
  expect(() => blocks.from(43 * KIB)).toThrow(RangeError);
  blocks.push(bytes(blocks.end, 10));
  expectAllThere(blocks);
});

it('finds each of many blocks', () => {
  const blocks = blocksOf(...Array<number>(33).fill(16 * KIB));
  for (let at = 0; at < 33; at += 1) {
    expect([at, blocks.from(at * 16 * KIB).length, blocks.from(at * 16 * KIB + 7).length]).toEqual([
      at,
      16 * KIB,
      16 * KIB - 7,
    ]);
  }
});
