export type { Placer, PlacerFactory } from './placer.js';
export type { Runner, RunnerList, RunnerPool } from './runner.js';
