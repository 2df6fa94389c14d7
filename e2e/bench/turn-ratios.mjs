/**
 * @typedef {import('./wrk.mjs').Load} Load
 * @typedef {object} Ratio of a percentile to that of other turns
 * @property {number} base that of the others, milliseconds
 * @property {number} ratio
 * @property {number} low the ratio lies between this
 * @property {number} high and this, with a probability of 95 %
 * @typedef {object} Histogram the calls of a turn
 * @property {readonly number[]} limits milliseconds, ascending, the same for all turns
 * @property {Float64Array} counts calls that took so long
 */

/** Of these, the outer 2.5 % at each end are cut off. */
const SAMPLES = 1_000;

/**
 * The latencies of all turns, in the same steps.
 * @template {string} Kind
 * @param {Record<Kind, readonly Load[]>} loads
 * @returns {Record<Kind, Histogram[]>}
 */
export function histogramsOf(loads) {
  const kinds = /** @type {[Kind, readonly Load[]][]} */ (Object.entries(loads));
  const all = kinds.flatMap(([, turns]) => turns.flatMap(({ latencies }) => latencies.map(([latency]) => latency)));
  const limits = [...new Set(all)].sort((a, b) => a - b);
  const places = new Map(limits.map((limit, at) => [limit, at]));
  const histogramOf = (/** @type {Load} */ { latencies }) => {
    const counts = new Float64Array(limits.length);
    for (const [latency, count] of latencies) counts[Number(places.get(latency))] = count;
    return { limits, counts };
  };
  const histograms = kinds.map(([kind, turns]) => [kind, turns.map(histogramOf)]);
  return Object.fromEntries(histograms);
}

/**
 * The ratio of a percentile of all calls, and how far it can be relied on: calls of one turn are alike, so it is turns that are drawn at
 * random again and again (a bootstrap), each with the one next to it of the other kind.
 * @param {readonly Histogram[]} turns
 * @param {readonly Histogram[]} others as many or one more
 * @param {number} share of the calls that are quicker, from 0 to 1
 * @returns {Ratio}
 */
export function ratioOf(turns, others, share) {
  const pairs = turns.length;
  const of = (/** @type {readonly Histogram[]} */ all, /** @type {readonly number[]} */ weights) =>
    quantileOf(all, weights, share);
  const once = Array.from({ length: pairs }, () => 1);
  const base = of(others, once);
  const random = randomFrom(1);
  const ratios = Array.from({ length: SAMPLES }, () => {
    const weights = once.map(() => 0);
    for (let n = 0; n < pairs; n += 1) {
      const drawn = Math.floor(pairs * random());
      weights[drawn] = (weights[drawn] ?? 0) + 1;
    }
    return of(turns, weights) / of(others, weights);
  }).sort((a, b) => a - b);
  const at = (/** @type {number} */ part) => ratios[Math.floor(part * SAMPLES)] ?? Number.NaN;
  return { base, ratio: of(turns, once) / base, low: at(0.025), high: at(0.975) };
}

/** @param {readonly Histogram[]} turns @param {readonly number[]} weights of each; 0 without @param {number} share */
function quantileOf(turns, weights, share) {
  const limits = turns[0]?.limits ?? [];
  const sums = new Float64Array(limits.length);
  let left = 0;
  for (const [turn, { counts }] of turns.entries()) {
    const weight = weights[turn] ?? 0;
    if (weight === 0) continue;
    for (let at = 0; at < counts.length; at += 1) {
      const count = weight * (counts[at] ?? 0);
      sums[at] = (sums[at] ?? 0) + count;
      left += count;
    }
  }
  left *= share;
  for (const [at, sum] of sums.entries()) {
    left -= sum;
    if (left <= 0) return limits[at] ?? Number.NaN;
  }
  return Number.NaN;
}

/** The same numbers each time, so that the same measurements give the same interval. @param {number} seed */
function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
