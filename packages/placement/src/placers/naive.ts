import type { PlacerFactory } from '../placer.js';
import { rotate } from './rotate.js';

/** Spreads calls evenly, regardless of functions. */
export const naive: PlacerFactory = {
  name: 'naive',
  doc: 'starts at a random runner and wraps around',
  create: ({ random }) => ({
    order: (_call, { candidates }) => rotate(candidates, Math.floor(random() * candidates.length)),
  }),
};
