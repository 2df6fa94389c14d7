import type { PlacerFactory } from '../placer.js';
import { rotate, twoChoices } from './orders.js';

/** Spreads calls evenly, regardless of functions. */
export const naive: PlacerFactory = {
  name: 'naive',
  doc: 'starts at a random runner and wraps around',
  create: ({ random }) => ({
    order: (_call, { candidates }) => rotate(candidates, Math.floor(random() * candidates.length)),
  }),
};

/** Evens out the load of runners, regardless of functions. */
export const leastLoaded: PlacerFactory = {
  name: 'least-loaded',
  doc: 'the less busy of two random runners',
  create: ({ random }) => ({ order: (_call, { candidates }) => twoChoices(candidates, random) }),
};
