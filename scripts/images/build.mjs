import { ensureFunctionImage, FUNCTIONS } from './catalogue.mjs';
import { ensureFnfleetImage } from './fnfleet-image.mjs';
import { ensureFnserverImage } from './fnserver-image.mjs';
import { ensurePrometheusImage } from './prometheus-image.mjs';

/**
 * `node scripts/images/build.mjs [name…]` builds the images named: `fnfleet`, of every role, `fnserver`, the same for
 * `fn start`, and those of the functions here; all of these unless any is named. `prometheus` is for stacks on a machine without a registry.
 */
const IMAGES = {
  fnfleet: ensureFnfleetImage,
  fnserver: ensureFnserverImage,
  ...Object.fromEntries(
    Object.keys(FUNCTIONS).map((name) => [
      name,
      (options) => ensureFunctionImage(/** @type {keyof typeof FUNCTIONS} */ (name), options),
    ]),
  ),
  prometheus: ensurePrometheusImage,
};
const usual = Object.keys(IMAGES).filter((name) => name !== 'prometheus');
const asked = process.argv.slice(2);
const names = asked.length === 0 ? usual : asked.includes('all') ? Object.keys(IMAGES) : asked;

const unknown = names.filter((name) => !Object.hasOwn(IMAGES, name));
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(', ')}; known: ${Object.keys(IMAGES).join(', ')}, all`);
  process.exitCode = 2;
} else {
  for (const name of names) {
    try {
      await IMAGES[name]({ progress: console.log });
    } catch (error) {
      console.error(`${name}: ${error.message}`);
      process.exitCode = 1;
    }
  }
}
