import { fileURLToPath } from 'node:url';
import { ensureBaseImage } from './base-image.mjs';
import { buildFunctionImage } from './function-image.mjs';

/** The functions of this repository that tests and examples run. */
export const FUNCTION_NAMES = /** @type {const} */ (['hello-node', 'probe', 'micro']);

/** @type {Record<typeof FUNCTION_NAMES[number], { dir: string, tag: string, onNode: boolean }>} */
const FUNCTIONS = {
  'hello-node': { dir: folder('examples/hello-node'), tag: 'fnfleet/hello-node:latest', onNode: true },
  probe: { dir: folder('e2e/functions/probe'), tag: 'fnfleet/probe:latest', onNode: true },
  micro: { dir: folder('e2e/functions/micro'), tag: 'fnfleet/micro:latest', onNode: false },
};

/**
 * Makes sure that the image of a function is on this machine.
 * @param {typeof FUNCTION_NAMES[number]} name
 * @param {{ progress?: import('./engine.mjs').Progress }} [options]
 * @returns {Promise<string>} the name of the image
 */
export async function ensureFunctionImage(name, { progress } = {}) {
  const { dir, tag, onNode } = FUNCTIONS[name];
  const base = onNode ? await ensureBaseImage({ progress }) : undefined;
  await buildFunctionImage(dir, tag, { base, progress });
  return tag;
}

/** @param {string} path relative to the repository */
function folder(path) {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url));
}
