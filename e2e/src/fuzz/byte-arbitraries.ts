import fc from 'fast-check';

export const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));

/** One change of a byte string: something is put in the place of something. Places are shares of the length. */
interface Change {
  readonly at: number;
  readonly removed: number;
  readonly added: Buffer;
}

const share = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });

const change: fc.Arbitrary<Change> = fc.record({
  at: share,
  removed: fc.oneof(fc.constant(0), fc.nat(4), fc.nat(64)),
  added: fc.oneof(bytes(4), bytes(64), fc.constant(Buffer.alloc(0))),
});

/** A valid byte string with a few things wrong in it; now and then with nothing wrong. */
export function damaged(valid: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  return fc.tuple(valid, fc.array(change, { maxLength: 4 })).map(([whole, changes]) =>
    changes.reduce((left, { at, removed, added }) => {
      const start = Math.floor(at * left.length);
      return Buffer.concat([left.subarray(0, start), added, left.subarray(start + removed)]);
    }, whole),
  );
}

/** A byte string as the network may bring it: in pieces. */
export function inPieces(whole: fc.Arbitrary<Buffer>): fc.Arbitrary<readonly Buffer[]> {
  return fc.tuple(whole, fc.array(share, { maxLength: 5 })).map(([all, cuts]) => {
    const places = [0, ...cuts.map((cut) => Math.floor(cut * all.length)).sort((a, b) => a - b), all.length];
    return places.slice(1).map((end, index) => all.subarray(places[index], end));
  });
}
