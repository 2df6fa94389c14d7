/**
 * A custom placer: `FN_PLACER=./examples/placer/by-zone.js FN_ZONE=10.1.`
 *
 * Runners in the balancer's own zone come first, the least busy one at the front; the others follow in case those are full.
 * A zone is an address prefix. The dispatcher skips runners that are full, draining or ejected, so a placer only states its
 * preference.
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
        // First by free hot containers, then by the fewest running calls.
        yield* near.sort((a, b) => b.freeSlots(fnId) - a.freeSlots(fnId) || a.inFlight - b.inFlight);
        yield* all.filter(({ address }) => !address.startsWith(zone));
      },
    };
  },
};
