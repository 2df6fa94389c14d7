const MASK = (1n << 64n) - 1n;

/** SipHash-2-4 of a text in UTF-8, as an unsigned 64-bit number. */
export function sipHash(text: string, k0: bigint, k1: bigint): bigint {
  const input = Buffer.from(text);
  // The last word has the rest of the input, and its length in the top byte.
  const padded = Buffer.alloc((Math.floor(input.length / 8) + 1) * 8);
  input.copy(padded);
  padded[padded.length - 1] = input.length & 0xff;

  const state = new SipState(k0, k1);
  for (let at = 0; at < padded.length; at += 8) state.absorb(padded.readBigUInt64LE(at));
  return state.finish();
}

class SipState {
  private v0: bigint;
  private v1: bigint;
  private v2: bigint;
  private v3: bigint;

  constructor(k0: bigint, k1: bigint) {
    this.v0 = k0 ^ 0x736f6d6570736575n;
    this.v1 = k1 ^ 0x646f72616e646f6dn;
    this.v2 = k0 ^ 0x6c7967656e657261n;
    this.v3 = k1 ^ 0x7465646279746573n;
  }

  absorb(word: bigint): void {
    this.v3 ^= word;
    this.rounds(2);
    this.v0 ^= word;
  }

  finish(): bigint {
    this.v2 ^= 0xffn;
    this.rounds(4);
    return this.v0 ^ this.v1 ^ this.v2 ^ this.v3;
  }

  private rounds(count: number): void {
    for (let i = 0; i < count; i += 1) {
      this.v0 = (this.v0 + this.v1) & MASK;
      this.v1 = rotateLeft(this.v1, 13n) ^ this.v0;
      this.v0 = rotateLeft(this.v0, 32n);
      this.v2 = (this.v2 + this.v3) & MASK;
      this.v3 = rotateLeft(this.v3, 16n) ^ this.v2;
      this.v0 = (this.v0 + this.v3) & MASK;
      this.v3 = rotateLeft(this.v3, 21n) ^ this.v0;
      this.v2 = (this.v2 + this.v1) & MASK;
      this.v1 = rotateLeft(this.v1, 17n) ^ this.v2;
      this.v2 = rotateLeft(this.v2, 32n);
    }
  }
}

function rotateLeft(value: bigint, by: bigint): bigint {
  return ((value << by) | (value >> (64n - by))) & MASK;
}

/** Caches the results of a pure function. Drops all of them at the limit, so that it stays bounded. */
export function memo<T>(compute: (key: string) => T, limit = 10_000): (key: string) => T {
  const known = new Map<string, T>();
  return (key) => {
    let value = known.get(key);
    if (value === undefined) {
      value = compute(key);
      if (known.size >= limit) known.clear();
      known.set(key, value);
    }
    return value;
  };
}
