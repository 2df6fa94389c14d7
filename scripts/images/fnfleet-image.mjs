import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { ensureBaseImage } from './base-image.mjs';
import { buildImage } from './engine.mjs';
import { productionTree } from './production-tree.mjs';

const DOCKERFILE = fileURLToPath(new URL('../../deploy/docker/Dockerfile', import.meta.url));
export const IMAGE = 'fnfleet/fnfleet:latest';
/** What a role may write to when nothing is mounted there. */
export const DATA_FOLDERS = ['var/lib/fnfleet', 'run/fnfleet/iofs'];

/**
 * The image of every role, from what has been built here: no registry is asked for anything.
 * @param {{ progress?: (line: string) => void }} [options]
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
      ...DATA_FOLDERS.map((path) => ({ path: `data/${path}`, directory: true })),
    ],
    buildArgs: { BASE: base },
    target: 'staged',
    progress,
  });
  return IMAGE;
}
