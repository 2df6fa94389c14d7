import { ensureFunctionImage, FUNCTIONS } from './catalogue.mjs';

/** `node scripts/images/build.mjs [name…|all]` builds the images of the functions named, or of all. */
const known = Object.keys(FUNCTIONS);
const asked = process.argv.slice(2);
const names = asked.length === 0 || asked.includes('all') ? known : asked;

const unknown = names.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(', ')}; known: ${known.join(', ')}, all`);
  process.exitCode = 2;
} else {
  for (const name of names) {
    try {
      await ensureFunctionImage(name, { progress: console.log });
    } catch (error) {
      console.error(`${name}: ${error.message}`);
      process.exitCode = 1;
    }
  }
}
