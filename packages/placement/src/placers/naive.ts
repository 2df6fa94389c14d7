import type { PlacerFactory } from '../placer.js';
import { rotate } from './rotate.js';

/** Spreads calls evenly, regardless of functions. */
export const naive: PlacerFactory = {
  name: 'naive',
  doc: 'begins at a random runner and goes round from there',
  create: ({ random }) => ({
    order: (_call, { candidates }) => rotate(candidates, Math.floor(random() * candidates.length)),
  }),
};
