import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from '../harness/paths.js';

interface Datasource {
  readonly type: string;
  readonly uid: string;
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: Datasource;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly {
    readonly refId: string;
    readonly expr: string;
    readonly legendFormat: string;
    readonly datasource: Datasource;
  }[];
  readonly fieldConfig?: { readonly defaults: { readonly unit: string } };
}

export interface Dashboard {
  readonly file: string;
  readonly uid: string;
  readonly title: string;
  readonly schemaVersion: number;
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string; readonly definition?: string }[];
  };
  readonly panels: readonly Panel[];
}

export function dashboards(): Dashboard[] {
  return globSync('deploy/grafana/dashboards/*.json', { cwd: ROOT })
    .sort()
    .map((file) => ({ file, ...JSON.parse(readFileSync(path.join(ROOT, file), 'utf8')) }));
}

/** Each expression that Grafana would send, with where it is. */
export function panelQueries({ title, panels }: Dashboard): { readonly where: string; readonly expr: string }[] {
  return panels.flatMap((panel) =>
    (panel.targets ?? []).map(({ expr, legendFormat }) => ({
      where: `${title} / ${panel.title} / ${legendFormat}`,
      expr,
    })),
  );
}
