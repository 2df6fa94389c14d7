/**
 * Renders Grafana dashboards. A dashboard is a list of rows; a panel says what it shows, in which unit, and the expressions. Its
 * position follows from its place in the list.
 *
 * @typedef {object} Panel
 * @property {'timeseries' | 'stat'} [kind] a graph by default
 * @property {string} title
 * @property {string} description
 * @property {string} unit one of Grafana's
 * @property {Record<string, string>} exprs PromQL by legend
 * @property {number} [max] of the axis
 * @property {boolean} [stacked]
 * @property {number} [alarm] a stat is red from this value on
 *
 * @typedef {{ title: string, panels: Panel[] }} Row
 * @typedef {{ name: string, label: string, query: string }} Variable its values are those of a label
 * @typedef {{ uid: string, title: string, description: string, variables: Variable[], rows: Row[] }} Dashboard
 */

/** Grafana's own width, in columns. */
const COLUMNS = 24;
const HEIGHT = { stat: 4, timeseries: 8, row: 1 };
/** Panels in a line at most. */
const MOST_IN_LINE = { stat: 6, timeseries: 3 };
/** That of Grafana 11. Newer versions migrate it. */
const SCHEMA_VERSION = 39;
const DATASOURCE = { type: 'prometheus', uid: '$datasource' };

/**
 * @param {Dashboard} content
 * @returns the JSON model that Grafana imports
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
    // Shared crosshair: the time under the mouse is marked in all panels.
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
 * @param {string} [by] a label: one p95 for each of its values, instead of several quantiles
 * @returns {Record<string, string>} PromQL by legend
 */
export function quantiles(histogram, selector, by) {
  if (by !== undefined) return { [`{{${by}}} p95`]: quantile(0.95, histogram, selector, `${by}, le`) };
  return Object.fromEntries([50, 95, 99].map((p) => [`p${p}`, quantile(p / 100, histogram, selector)]));
}

/**
 * @param {number} q between 0 and 1
 * @param {string} histogram
 * @param {string} selector
 * @param {string} [labels] to keep; `le` among them
 */
export function quantile(q, histogram, selector, labels = 'le') {
  return `histogram_quantile(${q}, sum by (${labels}) (rate(${histogram}_bucket{${selector}}[$__rate_interval])))`;
}

/**
 * Events per second.
 * @param {string} counter
 * @param {string} selector
 * @param {string} [by] labels with a line for each of their values
 */
export function perSecond(counter, selector, by) {
  return `sum${by === undefined ? '' : ` by (${by})`} (rate(${counter}{${selector}}[$__rate_interval]))`;
}

/** @param {readonly Row[]} rows */
function placed(rows) {
  /** @type {object[]} */
  const panels = [];
  let y = 0;
  /** @param {ReturnType<typeof rowModel | typeof panelModel>} model @param {number} x @param {number} w */
  const add = (model, x, w) => {
    panels.push({ id: panels.length + 1, ...model, gridPos: { x, y, w, h: HEIGHT[model.type] } });
  };
  for (const row of rows) {
    add(rowModel(row), 0, COLUMNS);
    y += HEIGHT.row;
    for (const line of linesOf(row.panels)) {
      const width = COLUMNS / line.panels.length;
      for (const [at, panel] of line.panels.entries()) add(panelModel(panel), at * width, width);
      y += HEIGHT[line.kind];
    }
  }
  return panels;
}

/** Panels of one kind beside each other. @param {readonly Panel[]} panels */
function linesOf(panels) {
  /** @type {{ kind: 'timeseries' | 'stat', panels: Panel[] }[]} */
  const lines = [];
  for (const panel of panels) {
    const { kind = 'timeseries' } = panel;
    const line = lines.at(-1);
    if (line?.kind === kind && line.panels.length < MOST_IN_LINE[kind]) line.panels.push(panel);
    else lines.push({ kind, panels: [panel] });
  }
  // Five panels do not divide the width: four, and one in a line of its own.
  return lines.flatMap(({ kind, panels: all }) =>
    (COLUMNS % all.length === 0 ? [all] : [all.slice(0, 4), all.slice(4)]).map((some) => ({ kind, panels: some })),
  );
}

/** @param {Row} row */
function rowModel({ title }) {
  return { type: /** @type {const} */ ('row'), title, collapsed: false, panels: [] };
}

/** @param {Panel} panel */
function panelModel({ kind = 'timeseries', title, description, unit, exprs, max, alarm, stacked = false }) {
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
        custom: kind === 'timeseries' ? graphStyle(stacked) : {},
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

/** @param {boolean} stacked */
function graphStyle(stacked) {
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

/** @param {Variable} variable */
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
    // On every change of the time range, because instances come and go.
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    allValue: '.*',
    current: { selected: true, text: ['All'], value: ['$__all'] },
    options: [],
  };
}
