// needs: nothing
import { dashboards, type Panel, panelQueries } from './dashboards.js';
import { exportedNames, namedMetrics } from './exported-names.js';

const ALL = dashboards();
/** Those of Grafana that are used here. */
const UNITS = ['short', 'none', 'reqps', 'ops', 'ms', 's', 'bytes', 'percent', 'percentunit'];
const COLUMNS = 24;

it('there is one for the fleet, for runners, and for functions', () => {
  expect(ALL.map(({ uid }) => uid)).toEqual(['fnfleet-fleet', 'fnfleet-functions', 'fnfleet-runners']);
});

describe.each(ALL.map((found) => [found.file, found] as const))('%s', (_, found) => {
  const { panels, templating } = found;
  const drawn = panels.filter(({ type }) => type !== 'row');

  it('has panels with ids of their own, each in a place of its own', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const titles = drawn.map(({ title, gridPos: { y } }) => `${title} ${y}`);
    expect(new Set(titles).size).toBe(titles.length);
    for (const { gridPos: at } of panels) {
      expect([Number.isInteger(at.x), Number.isInteger(at.w), at.w > 0, at.h > 0]).toEqual([true, true, true, true]);
      expect(at.x + at.w).toBeLessThanOrEqual(COLUMNS);
    }
    expect(
      panels.flatMap((a, i) => panels.slice(i + 1).flatMap((b) => (overlap(a, b) ? [`${a.title}, ${b.title}`] : []))),
    ).toEqual([]);
  });

  it('says of each panel what it shows, in which unit', () => {
    for (const { title, description, fieldConfig, targets = [] } of drawn) {
      expect([title, description]).toEqual([title, expect.stringMatching(/\.$/)]);
      expect([title, UNITS.includes(fieldConfig?.defaults.unit ?? '')]).toEqual([title, true]);
      expect([title, targets.length > 0]).toEqual([title, true]);
      expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
      expect(new Set(targets.map(({ legendFormat }) => legendFormat)).size).toBe(targets.length);
    }
  });

  it('takes its data from the Prometheus that is chosen', () => {
    expect(templating.list[0]).toMatchObject({ name: 'datasource', type: 'datasource', query: 'prometheus' });
    const sources = drawn.flatMap(({ datasource, targets = [] }) => [
      datasource,
      ...targets.map((target) => target.datasource),
    ]);
    for (const source of sources) expect(source).toEqual({ type: 'prometheus', uid: '$datasource' });
  });

  it('uses variables that it has, and every one', () => {
    const used = new Set(
      panelQueries(found).flatMap(({ expr }) => [...expr.matchAll(/\$(\w+)/g)].map(([, name]) => name)),
    );
    const own = templating.list.map(({ name }) => name).filter((name) => name !== 'datasource');
    expect([...used].sort()).toEqual(['__rate_interval', ...own].sort());
  });

  it('names metrics that are declared', () => {
    const known = exportedNames();
    const texts = [
      ...panelQueries(found).map(({ expr }) => expr),
      ...templating.list.map(({ definition = '' }) => definition),
    ];
    expect(texts.flatMap(namedMetrics).filter((name) => !known.has(name))).toEqual([]);
  });

  it('shows in legends labels that its expressions leave', () => {
    for (const { title, targets = [] } of drawn) {
      for (const { expr, legendFormat } of targets) {
        const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label);
        const left = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, labels = '']) => labels.split(/, */));
        // Without an aggregation all of them are left.
        if (left.length > 0) expect([title, shown.filter((label) => !left.includes(label ?? ''))]).toEqual([title, []]);
      }
    }
  });
});

function overlap({ gridPos: a }: Panel, { gridPos: b }: Panel): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}
