import { ensureFunctionImage, FUNCTIONS } from './catalogue.mjs';
import { ensureFnfleetImage } from './fnfleet-image.mjs';

/** `node scripts/images/build.mjs [name…|all]` builds the images named: of every role, and of the functions here. */
const PRODUCT = 'fnfleet';
const known = [PRODUCT, ...Object.keys(FUNCTIONS)];
const asked = process.argv.slice(2);
const names = asked.length === 0 || asked.includes('all') ? known : asked;

const unknown = names.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(', ')}; known: ${known.join(', ')}, all`);
  process.exitCode = 2;
} else {
  for (const name of names) {
    try {
      const options = { progress: console.log };
      await (name === PRODUCT ? ensureFnfleetImage(options) : ensureFunctionImage(name, options));
    } catch (error) {
      console.error(`${name}: ${error.message}`);
      process.exitCode = 1;
    }
  }
}
