import { ensureFunctionImage, FUNCTION_NAMES } from './catalogue.mjs';
import { ensureFnfleetImage } from './fnfleet-image.mjs';
import { ensureFnserverImage } from './fnserver-image.mjs';
import { ensurePrometheusImage } from './prometheus-image.mjs';

/**
 * `node scripts/images/build.mjs [name…]` builds the images named: `fnfleet`, of every role; `fnserver`, the same for
 * `fn start`; and those of the functions of this repository. Without a name it builds all of these. `prometheus` is for
 * deployments on a machine without a registry.
 *
 * @type {Map<string, (options: { progress: import('./engine.mjs').Progress }) => Promise<string>>}
 */
const IMAGES = new Map([
  ['fnfleet', ensureFnfleetImage],
  ['fnserver', ensureFnserverImage],
  ...FUNCTION_NAMES.map((name) => /** @type {const} */ ([name, ensureFunctionImage.bind(undefined, name)])),
  ['prometheus', ensurePrometheusImage],
]);
const all = [...IMAGES.keys()];
const asked = process.argv.slice(2);
const names = asked.length === 0 ? all.filter((name) => name !== 'prometheus') : asked.includes('all') ? all : asked;

const unknown = names.filter((name) => !IMAGES.has(name));
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(', ')}; known: ${all.join(', ')}, all`);
  process.exitCode = 2;
} else {
  for (const name of names) {
    try {
      await IMAGES.get(name)?.({ progress: console.log });
    } catch (error) {
      console.error(`${name}: ${error instanceof Error ? error.message : error}`);
      process.exitCode = 1;
    }
  }
}
