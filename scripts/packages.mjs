/**
 * Packs every public package as npm will get it, and says what is wrong with any.
 *
 *   node scripts/packages.mjs [folder for the archives]
 */
import path from 'node:path';
import { ROOT } from './lib/shell.mjs';
import { publicPackages } from './lib/workspace.mjs';
import { archiveFaults } from './packages/archive-faults.mjs';
import { manifestFaults } from './packages/manifest-faults.mjs';
import { pack } from './packages/pack.mjs';

const folder = path.resolve(process.argv[2] ?? path.join(ROOT, '.fnfleet/packages'));
const packages = publicPackages();
const packed = await pack(packages, folder);
const faults = [
  ...packages.flatMap((pkg) => manifestFaults(pkg, packages)),
  ...(await Promise.all(packed.map(archiveFaults))).flat(),
];
for (const fault of faults) console.error(fault);
if (faults.length > 0) {
  console.error(`${faults.length} faults of packages; CONTRIBUTING.md says under "A release" what each has to have`);
  process.exitCode = 1;
} else {
  console.log(`${packed.length} packages can be published: ${path.relative(process.cwd(), folder) || '.'}`);
}
