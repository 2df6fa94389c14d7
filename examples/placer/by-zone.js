/**
 * A placer of one's own: `FN_PLACER=./examples/placer/by-zone.js FN_ZONE=10.1.`
 *
 * Runners of the balancer's own zone come first, the least busy of them first of all; the others are for when those are
 * full. A zone is the beginning of an address. The dispatcher skips whoever is full, draining or ejected, so a placer only
 * says what it would like best.
 */
module.exports = {
  name: 'by-zone',
  doc: 'runners whose address begins with FN_ZONE first',
  create({ random }) {
    const zone = process.env.FN_ZONE ?? '';
    return {
      *order(call, fleet) {
        const { fnId } = call.model;
        const start = Math.floor(random() * fleet.candidates.length);
        const all = [...fleet.candidates.slice(start), ...fleet.candidates.slice(0, start)];
        const near = all.filter(({ address }) => address.startsWith(zone));
        // A free hot container before anything else, then few calls in hand.
        yield* near.sort((a, b) => b.freeSlots(fnId) - a.freeSlots(fnId) || a.inFlight - b.inFlight);
        yield* all.filter(({ address }) => !address.startsWith(zone));
      },
    };
  },
};
