import { fuzz } from './fuzz.js';
import { TARGETS } from './targets/index.js';

jest.setTimeout(240_000);

/** Of the seconds that a test may take; `npm run fuzz` goes on for as long as asked. */
const ROUNDS = 3;
const RUNS = 50;

it.each(TARGETS.map((target) => [target.name, target] as const))(
  '%s: drawn input breaks nothing',
  async (_, target) => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const goesOn = (round: number) => round < ROUNDS;
    const failure = await fuzz({ targets: [target], seed, runs: RUNS, goesOn, print: () => undefined });
    // The seed of the failure is in its report.
    expect(failure).toBeUndefined();
  },
);
