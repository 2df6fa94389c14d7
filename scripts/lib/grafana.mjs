/**
 * Dashboards of Grafana from what they are to show. A dashboard is a list of rows; a panel says what it shows, in which unit,
 * and the expressions; where it stands follows from its place in the list.
 *
 * @typedef {{ title: string, description: string, unit: string, exprs: Record<string, string>, max?: number, stacked?: boolean,
 *   kind?: 'timeseries' | 'stat', alarm?: number }} Panel
 *   `exprs`: the legend of each expression. `unit`: one of Grafana's. `alarm`: from this value on a stat is red
 * @typedef {{ title: string, panels: Panel[] }} Row
 * @typedef {{ name: string, label: string, query: string }} Variable   of which a metric has values
 * @typedef {{ uid: string, title: string, description: string, variables: Variable[], rows: Row[] }} Dashboard
 */

/** Grafana's own width, in columns. */
const COLUMNS = 24;
const HEIGHT = { stat: 4, timeseries: 8, row: 1 };
/** As Grafana 11 writes it. Newer ones take it over. */
const SCHEMA_VERSION = 39;
const DATASOURCE = { type: 'prometheus', uid: '$datasource' };

/**
 * @param {Dashboard} content
 * @returns what Grafana imports
 */
export function dashboard({ uid, title, description, variables, rows }) {
  return {
    uid,
    title,
    description,
    tags: ['fnfleet'],
    schemaVersion: SCHEMA_VERSION,
    version: 1,
    editable: true,
    // One line through all panels at the time that the mouse is at.
    graphTooltip: 1,
    time: { from: 'now-1h', to: 'now' },
    refresh: '30s',
    timezone: 'browser',
    links: [
      {
        type: 'dashboards',
        tags: ['fnfleet'],
        title: 'fnfleet',
        asDropdown: false,
        includeVars: false,
        keepTime: true,
      },
    ],
    templating: { list: [datasourceVariable(), ...variables.map(queryVariable)] },
    panels: placed(rows),
  };
}

/**
 * Quantiles of a histogram.
 * @param {string} histogram
 * @param {string} selector
 * @param {string} [by] labels that tell lines apart, for the legend too; one quantile then
 * @returns {Record<string, string>}
 */
export function quantiles(histogram, selector, by) {
  const of = (q, labels) =>
    `histogram_quantile(${q}, sum by (${labels}) (rate(${histogram}_bucket{${selector}}[$__rate_interval])))`;
  if (by !== undefined) return { [`{{${by}}} p95`]: of(0.95, `${by}, le`) };
  return { p50: of(0.5, 'le'), p95: of(0.95, 'le'), p99: of(0.99, 'le') };
}

/** Events a second. @param {string} [by] labels that tell lines apart */
export function perSecond(counter, selector, by) {
  return `sum${by === undefined ? '' : ` by (${by})`} (rate(${counter}{${selector}}[$__rate_interval]))`;
}

function placed(rows) {
  const panels = [];
  let y = 0;
  const add = (panel, x, w) => {
    panels.push({ id: panels.length + 1, ...panel, gridPos: { x, y, w, h: HEIGHT[panel.type] } });
  };
  for (const row of rows) {
    add({ type: 'row', title: row.title, collapsed: false, panels: [] }, 0, COLUMNS);
    y += HEIGHT.row;
    for (const line of linesOf(row.panels)) {
      const width = COLUMNS / line.length;
      for (const [at, panel] of line.entries()) add(drawn(panel), at * width, width);
      y += HEIGHT[kindOf(line[0])];
    }
  }
  return panels;
}

/** Up to six numbers beside each other, or up to three curves. */
function linesOf(panels) {
  const lines = [];
  for (const panel of panels) {
    const line = lines.at(-1);
    const fits = line && kindOf(line[0]) === kindOf(panel) && line.length < (kindOf(panel) === 'stat' ? 6 : 3);
    if (fits) line.push(panel);
    else lines.push([panel]);
  }
  return lines.flatMap((line) => (COLUMNS % line.length === 0 ? [line] : [line.slice(0, 4), line.slice(4)]));
}

const kindOf = ({ kind = 'timeseries' }) => kind;

function drawn(panel) {
  const { title, description, unit, exprs, max, alarm } = panel;
  const kind = kindOf(panel);
  const targets = Object.entries(exprs).map(([legendFormat, expr], at) => ({
    refId: String.fromCharCode(65 + at),
    datasource: DATASOURCE,
    editorMode: 'code',
    expr,
    legendFormat,
    range: true,
  }));
  const thresholds = {
    mode: 'absolute',
    steps: [{ color: 'green', value: null }, ...(alarm === undefined ? [] : [{ color: 'red', value: alarm }])],
  };
  return {
    type: kind,
    title,
    description,
    datasource: DATASOURCE,
    targets,
    fieldConfig: {
      defaults: {
        unit,
        min: 0,
        ...(max === undefined ? {} : { max }),
        thresholds,
        custom: kind === 'timeseries' ? curve(panel) : {},
      },
      overrides: [],
    },
    options: kind === 'stat' ? STAT : TIMESERIES,
  };
}

const STAT = {
  reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
  colorMode: 'value',
  graphMode: 'area',
  justifyMode: 'auto',
  orientation: 'auto',
  textMode: 'value',
};

const TIMESERIES = {
  legend: { displayMode: 'list', placement: 'bottom', showLegend: true, calcs: [] },
  tooltip: { mode: 'multi', sort: 'desc' },
};

function curve({ stacked = false }) {
  return {
    drawStyle: 'line',
    lineWidth: 1,
    fillOpacity: stacked ? 40 : 8,
    showPoints: 'never',
    spanNulls: false,
    stacking: { mode: stacked ? 'normal' : 'none', group: 'A' },
  };
}

function datasourceVariable() {
  return {
    name: 'datasource',
    label: 'Prometheus',
    type: 'datasource',
    query: 'prometheus',
    regex: '',
    hide: 0,
    multi: false,
    includeAll: false,
    refresh: 1,
    current: {},
    options: [],
  };
}

function queryVariable({ name, label, query }) {
  return {
    name,
    label,
    type: 'query',
    datasource: DATASOURCE,
    definition: query,
    query: { query, refId: `variable-${name}`, qryType: 1 },
    regex: '',
    hide: 0,
    // Whenever the time range changes: instances come and go.
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    allValue: '.*',
    current: { selected: true, text: ['All'], value: ['$__all'] },
    options: [],
  };
}
