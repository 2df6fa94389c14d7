// takes: 32 s
import { fuzz } from './fuzz.js';
import { TARGETS } from './targets/index.js';

jest.setTimeout(240_000);

/** All targets together, however slow the machine. More with `FNFLEET_FUZZ_SECONDS=60`; `npm run fuzz` goes on for as long as asked. */
const SECONDS = Number(process.env.FNFLEET_FUZZ_SECONDS ?? 30);
const MS_PER_TARGET = (1_000 * SECONDS) / TARGETS.length;
const MIN_ROUNDS = 3;
const RUNS = 50;

it.each(TARGETS.map((target) => [target.name, target] as const))(
  '%s: drawn input breaks nothing',
  async (_, target) => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const until = performance.now() + MS_PER_TARGET;
    const goesOn = (round: number) => round < MIN_ROUNDS || performance.now() < until;
    const failure = await fuzz({ targets: [target], seed, runs: RUNS, goesOn, print: () => undefined });
    // The seed of the failure is in its report.
    expect(failure).toBeUndefined();
  },
);
