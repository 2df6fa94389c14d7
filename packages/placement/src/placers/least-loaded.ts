import type { PlacerFactory } from '../placer.js';
import { twoChoices } from './two-choices.js';

/** Evens out the load of runners, regardless of functions. */
export const leastLoaded: PlacerFactory = {
  name: 'least-loaded',
  doc: 'the less busy of two random runners',
  create: ({ random }) => ({ order: (_call, { candidates }) => twoChoices(candidates, random) }),
};
