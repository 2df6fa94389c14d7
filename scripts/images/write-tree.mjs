import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { COMMAND, COMMAND_PATH, DATA_FOLDERS } from './fnfleet-image.mjs';
import { writeProductionTree } from './production-tree.mjs';

/** `node scripts/images/write-tree.mjs <folder>` writes what the image adds to its base, for a build inside Docker. */
const [target] = process.argv.slice(2);
if (target === undefined) throw new Error('usage: write-tree.mjs <folder>');
await writeProductionTree(path.join(target, 'rootfs/opt/fnfleet'), { progress: console.log });
for (const folder of DATA_FOLDERS) await mkdir(path.join(target, 'data', folder), { recursive: true });
const command = path.join(target, 'rootfs', COMMAND_PATH);
await mkdir(path.dirname(command), { recursive: true });
await writeFile(command, COMMAND, { mode: 0o755 });
