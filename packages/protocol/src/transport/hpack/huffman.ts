/**
 * The Huffman code of RFC 7541, Appendix B. It is canonical: among codes of equal length the smaller symbol has the smaller code,
 * and a shorter code comes before all longer ones. The lengths of the codes of 0 to 255 and of the end-of-string symbol therefore
 * define it completely.
 */
const LENGTHS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
  28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6,
  5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23,
  22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22,
  23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26,
  20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27,
  27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27,
  27, 27, 27, 26, 30,
];
const END_OF_STRING = 256;

/**
 * A state machine that reads four bits per step. A state is an inner node of the code tree. A step leads to a state, with flag bits
 * if a symbol is complete on the way (no code is shorter than five bits, so there is at most one).
 */
const STATE_MASK = 0x1ff;
const EMITS = 0x200;
const FAILS = 0x400;
const SYMBOL_SHIFT = 16;
const STEPS = new Uint32Array(256 * 16);
/** States in which a string may end: after no bits, or after up to seven bits of the end-of-string code, which are ones. */
const MAY_END = new Uint8Array(256);

build();

function build(): void {
  // Inner nodes have two children, each the number of another node or, for a leaf, the symbol minus one, negated.
  const children: [number, number][] = [[0, 0]];
  let code = 0;
  for (let length = 1; length <= 30; length += 1) {
    code *= 2;
    for (let symbol = 0; symbol <= END_OF_STRING; symbol += 1) {
      if (LENGTHS[symbol] !== length) continue;
      insert(children, code, length, symbol);
      code += 1;
    }
  }
  for (let state = 0; state < children.length; state += 1) {
    for (let nibble = 0; nibble < 16; nibble += 1) STEPS[state * 16 + nibble] = step(children, state, nibble);
  }
  let node = 0;
  for (let ones = 0; ones <= 7; ones += 1) {
    MAY_END[node] = 1;
    node = children[node]?.[1] ?? 0;
  }
}

function insert(children: [number, number][], code: number, length: number, symbol: number): void {
  let node = 0;
  for (let bit = length - 1; bit > 0; bit -= 1) {
    const pair = children[node] as [number, number];
    const side = (code >>> bit) & 1 ? 1 : 0;
    if (pair[side] === 0) {
      children.push([0, 0]);
      pair[side] = children.length - 1;
    }
    node = pair[side];
  }
  (children[node] as [number, number])[code & 1 ? 1 : 0] = -1 - symbol;
}

function step(children: readonly [number, number][], from: number, nibble: number): number {
  let node = from;
  let emitted = 0;
  for (let bit = 3; bit >= 0; bit -= 1) {
    const next = (children[node] as [number, number])[(nibble >>> bit) & 1 ? 1 : 0];
    if (next > 0) {
      node = next;
      continue;
    }
    const symbol = -1 - next;
    if (symbol === END_OF_STRING) return FAILS;
    emitted = EMITS | (symbol << SYMBOL_SHIFT);
    node = 0;
  }
  return node | emitted;
}

/** Upper bound for the decoded length, because no symbol has fewer bits. */
export function huffmanBound(bytes: number): number {
  return Math.floor((bytes * 8) / 5);
}

/**
 * Decodes `source[start, end)` into `target`, which has room for `huffmanBound` bytes.
 * @returns the decoded length; -1 if it is not a valid code
 */
export function huffmanDecode(source: Uint8Array, start: number, end: number, target: Uint8Array): number {
  let state = 0;
  let length = 0;
  for (let at = start; at < end; at += 1) {
    const byte = source[at] as number;
    const high = STEPS[state * 16 + (byte >>> 4)] as number;
    const low = STEPS[(high & STATE_MASK) * 16 + (byte & 15)] as number;
    if (((high | low) & FAILS) !== 0) return -1;
    if ((high & EMITS) !== 0) target[length++] = high >>> SYMBOL_SHIFT;
    if ((low & EMITS) !== 0) target[length++] = low >>> SYMBOL_SHIFT;
    state = low & STATE_MASK;
  }
  return MAY_END[state] === 1 ? length : -1;
}
