import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { ensureBaseImage } from './base-image.mjs';
import { buildImage } from './engine.mjs';
import { productionTree } from './production-tree.mjs';

const DOCKERFILE = fileURLToPath(new URL('../../deploy/docker/Dockerfile', import.meta.url));
export const IMAGE = 'fnfleet/fnfleet:latest';
/** Folders that a role may write to when nothing is mounted there. */
export const DATA_FOLDERS = ['var/lib/fnfleet', 'run/fnfleet/iofs'];

/** For use inside a container: `docker compose exec lb fnfleet status`. An image may have no shell to run the command's script. */
export const COMMAND_PATH = 'usr/local/bin/fnfleet';
export const COMMAND = "#!/usr/local/bin/node\nrequire('/opt/fnfleet/node_modules/fnfleet/bin/fnfleet.js');\n";

/**
 * The image of every role, from what has been built here, without any registry.
 * @param {{ progress?: import('./engine.mjs').Progress }} [options]
 * @returns {Promise<string>} its name
 */
export async function ensureFnfleetImage({ progress = () => undefined } = {}) {
  const base = await ensureBaseImage({ progress });
  const tree = await productionTree({ progress });
  const entries = await Promise.all(
    tree.map(async ({ path, file }) => ({ path: `rootfs/opt/fnfleet/${path}`, file, size: (await stat(file)).size })),
  );
  await buildImage({
    tag: IMAGE,
    entries: [
      { path: 'Dockerfile', content: await readFile(DOCKERFILE) },
      ...entries,
      { path: `rootfs/${COMMAND_PATH}`, content: Buffer.from(COMMAND), mode: 0o755 },
      ...DATA_FOLDERS.map((path) => ({ path: `data/${path}`, directory: /** @type {const} */ (true) })),
    ],
    buildArgs: { BASE: base },
    target: 'staged',
    progress,
  });
  return IMAGE;
}
