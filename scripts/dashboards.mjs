/**
 * Renders the dashboards, deploy/grafana/dashboards/*.json, from their declarations in scripts/dashboards.
 * With --check it writes nothing and fails if one is out of date.
 */
import { fleet } from './dashboards/fleet.mjs';
import { functions } from './dashboards/functions.mjs';
import { runners } from './dashboards/runners.mjs';
import { dashboard } from './lib/grafana.mjs';
import { renderFile } from './lib/rendered-file.mjs';

for (const [name, content] of Object.entries({ fleet, functions, runners })) {
  renderFile(`deploy/grafana/dashboards/${name}.json`, `${JSON.stringify(dashboard(content), undefined, 2)}\n`);
}
