import { readFile } from 'node:fs/promises';
import { buildImage } from './engine.mjs';
import { ensureFnfleetImage } from './fnfleet-image.mjs';

const FOLDER = new URL('../../deploy/docker/fnserver/', import.meta.url);
/** The image that `fn start` of Fn's command line runs unless it is given another version. */
const IMAGE = 'fnproject/fnserver:latest';

/**
 * The image of every role as a drop-in replacement for the one of Fn's server.
 * @param {{ progress?: import('./engine.mjs').Progress }} [options]
 * @returns {Promise<string>} its name
 */
export async function ensureFnserverImage({ progress = () => undefined } = {}) {
  const base = await ensureFnfleetImage({ progress });
  await buildImage({
    tag: IMAGE,
    entries: [
      { path: 'Dockerfile', content: await readFile(new URL('Dockerfile', FOLDER)) },
      { path: 'fnserver', content: await readFile(new URL('fnserver', FOLDER)), mode: 0o755 },
    ],
    buildArgs: { BASE: base },
    progress,
  });
  return IMAGE;
}
