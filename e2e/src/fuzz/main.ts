import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { fuzz } from './fuzz.js';
import { TARGETS } from './targets/index.js';

/**
 * Draws inputs for every border until the time is over, or something is found.
 *
 *   npm run fuzz -- [--minutes N] [--seed S] [--runs N] [--only engage-at-runner,rest]
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '1' },
      seed: { type: 'string', default: String(randomInt(2 ** 31)) },
      runs: { type: 'string', default: '50' },
      only: { type: 'string' },
    },
  });
  const names = values.only?.split(',') ?? TARGETS.map(({ name }) => name);
  const unknown = names.filter((name) => !TARGETS.some((target) => target.name === name));
  if (unknown.length > 0)
    throw new Error(`--only: there is no ${unknown}; known: ${TARGETS.map(({ name }) => name).join(', ')}`);
  const seed = Number(values.seed);
  const until = performance.now() + Number(values.minutes) * 60_000;
  let rounds = 0;
  console.log(`seed ${seed}, ${values.minutes} minutes: ${names.join(', ')}`);
  const failure = await fuzz({
    targets: TARGETS.filter(({ name }) => names.includes(name)),
    seed,
    runs: Number(values.runs),
    goesOn: (round) => {
      rounds = round;
      return performance.now() < until;
    },
    print: (line) => console.log(line),
  });
  if (failure === undefined) {
    console.log(`${rounds} rounds of ${values.runs} inputs for each target from seed ${seed}: nothing found`);
    return;
  }
  console.error(`\n${failure.target}, seed ${failure.seed}:\n${failure.report}`);
  console.error(`\nAgain with: npm run fuzz -- --only ${failure.target} --seed ${failure.seed} --runs ${values.runs}`);
  process.exitCode = 1;
}

main()
  .catch((error: Error) => {
    console.error(error.stack);
    process.exitCode = 1;
  })
  .finally(() => process.exit());
