import { EntryReader, encodeEntry } from './log-entry.js';

const MARK = { at: 12.5, wall: 1_700_000_000_000 };
const read = (parts: readonly Uint8Array[]) => {
  const reader = new EntryReader();
  return parts.map((part) => reader.add(part)).filter((entry) => entry !== undefined);
};
const entry = (size: number, fill = 7) => ({ mark: MARK, changes: Buffer.alloc(size, fill) });

it.each([0, 1, 64, 65, 1_000])('puts an entry with %s bytes of changes together again', (size) => {
  const parts = encodeEntry(entry(size), 100);
  expect(Math.max(...parts.map(({ length }) => length))).toBeLessThanOrEqual(100);
  expect(read(parts)).toEqual([entry(size)]);
});

it('has no time if none was given', () => {
  expect(read(encodeEntry({ mark: undefined, changes: Buffer.alloc(1) }, 100))[0]?.mark).toBeUndefined();
});

it.each`
  what                        | left
  ${'the last part'}          | ${(parts: Uint8Array[]) => parts.slice(0, -1)}
  ${'all but the first part'} | ${(parts: Uint8Array[]) => parts.slice(0, 1)}
  ${'the first part'}         | ${(parts: Uint8Array[]) => parts.slice(1)}
`('ignores an entry that lacks $what, and reads the next one', ({ left }) => {
  expect(read([...left(encodeEntry(entry(300, 1), 100)), ...encodeEntry(entry(300, 2), 100)])).toEqual([entry(300, 2)]);
});

it.each`
  what                   | part
  ${'too short'}         | ${Buffer.from('hello')}
  ${'of another format'} | ${Buffer.alloc(64, 2)}
  ${'of another schema'} | ${Buffer.concat([Buffer.from([1, 3, 0, 99]), Buffer.alloc(60)])}
`('refuses a message that is $what', ({ part }) => {
  expect(() => new EntryReader().add(part)).toThrow(/was not written by this release, or belongs to something else/);
});
