/**
 * Packs every public package for npm and checks the result.
 *
 *   node scripts/packages.mjs [folder for the archives]
 */
import path from 'node:path';
import { ROOT } from './lib/shell.mjs';
import { publicPackages } from './lib/workspace.mjs';
import { archiveFaults } from './packages/archive-faults.mjs';
import { manifestFaults } from './packages/manifest-faults.mjs';
import { pack } from './packages/pack.mjs';
import { readmeFaults } from './packages/readme-faults.mjs';

const folder = path.resolve(process.argv[2] ?? path.join(ROOT, '.fnfleet/packages'));
const packages = publicPackages();
const packed = await pack(packages, folder);
const faults = [
  ...packages.flatMap((pkg) => [...manifestFaults(pkg, packages), ...readmeFaults(pkg)]),
  ...(await Promise.all(packed.map(archiveFaults))).flat(),
];
for (const fault of faults) console.error(fault);
if (faults.length > 0) {
  console.error(`${faults.length} faults; see "What a package needs" in CONTRIBUTING.md`);
  process.exitCode = 1;
} else {
  console.log(`packed ${packed.length} packages in ${path.relative(process.cwd(), folder) || '.'}`);
}
