/** A uniform random number in [0, 1). The same seed gives the same sequence on every machine. */
export type Random = () => number;

/**
 * Chris Doty-Humphrey's sfc32 (small fast counting, 128 bits of state), seeded through splitmix32.
 * @param stream a name. Streams of one seed are independent, so that drawing more from one does not change the others
 */
export function randomStream(seed: number, stream: string): Random {
  const next = splitMix32(Math.imul(seed | 0, 0x9e3779b1) ^ fnv1a(stream));
  let [a, b, c, counter] = [next(), next(), next(), 1];
  const draw = () => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return (t >>> 0) / 2 ** 32;
  };
  // The first outputs still correlate with the seed.
  for (let i = 0; i < 12; i += 1) draw();
  return draw;
}

function splitMix32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let x = state ^ (state >>> 16);
    x = Math.imul(x, 0x21f0aaad);
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
    return x ^ (x >>> 15);
  };
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}
