/**
 * Writes the dashboards, deploy/grafana/dashboards/*.json, from what scripts/dashboards says of them.
 * With --check it writes nothing and fails when one is not what it should be.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fleet } from './dashboards/fleet.mjs';
import { functions } from './dashboards/functions.mjs';
import { runners } from './dashboards/runners.mjs';
import { dashboard } from './lib/grafana.mjs';
import { ROOT } from './lib/shell.mjs';

const FOLDER = path.join(ROOT, 'deploy/grafana/dashboards');

const check = process.argv.includes('--check');
mkdirSync(FOLDER, { recursive: true });
for (const [name, content] of Object.entries({ fleet, functions, runners })) {
  const file = path.join(FOLDER, `${name}.json`);
  const wanted = `${JSON.stringify(dashboard(content), undefined, 2)}\n`;
  if (!check) {
    writeFileSync(file, wanted);
    continue;
  }
  if (read(file) === wanted) continue;
  console.error(`${path.relative(ROOT, file)} is not what scripts/dashboards says. Run: npm run docs`);
  process.exitCode = 1;
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
