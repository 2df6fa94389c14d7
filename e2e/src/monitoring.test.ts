// needs: prometheus
// takes: 33 s

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { until } from '@fnfleet/testing';
import { fleetAccess } from 'fnfleet';
import { Agent } from 'undici';
import { fnfleet } from './harness/command.js';
import { Fleet } from './harness/fleet.js';
import { type Invocation, invoke } from './harness/invoke.js';
import { Prometheus, type Sample } from './harness/prometheus.js';
import { alertRules, RULES_FILE } from './monitoring/alert-rules.js';
import { dashboards, panelQueries } from './monitoring/dashboards.js';
import { runBookQueries } from './monitoring/run-book.js';
import { asSent, selectorsOf } from './monitoring/selectors.js';

jest.setTimeout(240_000);

const MIB = 1024 * 1024;
const NODES = ['api', 'lb', 'runner1', 'runner2'];
const RUNNERS = NODES.slice(2);
/** Selectors of alerts for what does not happen here, and appears with the event only. */
const NOT_HERE: Readonly<Record<string, string>> = {
  'fn_api_response_count_total{job="fnfleet-lb", blame="service", status=~"5..", status!="503"}':
    'needs a defect of the platform',
  'fn_api_response_count_total{job="fnfleet-api", status=~"5.."}': 'likewise',
  'fn_docker_api_latency_count{api_name!="docker_stats", api_status=~"5..|timeout|error"}':
    'needs an engine that is ill',
};
/** Expressions of panels likewise. */
const EMPTY_HERE = [/ \/ Pulls \/ pulls$/, / \/ Time to pull an image \/ /];

describe('a Prometheus that watches a fleet', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'e2e-monitoring-'));
  let fleet: Fleet;
  let prometheus: Prometheus;
  let dispatcher: Agent;

  beforeAll(async () => {
    const names = [...NODES, 'operator'].join(',');
    const sans = ['127.0.0.1', ...RUNNERS.map((runner) => `${runner}=127.0.0.1`)].join(',');
    const made = await fnfleet(['certs', 'fleet', '--dir', folder, '--names', names, '--san', sans]);
    expect(made).toMatchObject({ code: 0 });
    fleet = await Fleet.start({
      runners: 2,
      settings: {
        // Room for two containers on each runner.
        FN_MAX_TOTAL_MEMORY_BYTES: `${256 * MIB}`,
        FN_ENABLE_NB_RESOURCE_TRACKER: '1',
        FN_PLACER_TIMEOUT_MSECS: '1000',
        FN_RUNNER_PROBE_MSECS: '500',
        // More than there is on any disk here: nothing is removed, but counted.
        FN_IMAGE_CLEAN_MAX_SIZE: `${1024 ** 5}`,
      },
      settingsOf: tlsOf,
      access: fleetAccess(tlsOf('operator')),
    });
    prometheus = await Prometheus.start({
      jobs: {
        'fnfleet-api': [hostOf('api')],
        'fnfleet-lb': [hostOf('lb')],
        'fnfleet-runner': RUNNERS.map(hostOf),
      },
      tls: filesOf('operator'),
      ruleFile: RULES_FILE,
    });
    const { cert, key, ca } = filesOf('operator');
    dispatcher = new Agent({ connect: { cert: readFileSync(cert), key: readFileSync(key), ca: readFileSync(ca) } });
    await load();
  });

  afterAll(async () => {
    await dispatcher?.destroy();
    await prometheus?.stop();
    expect(await fleet?.stop()).toEqual([]);
    rmSync(folder, { recursive: true });
  });

  function filesOf(name: string) {
    return { cert: `${folder}/${name}.crt`, key: `${folder}/${name}.key`, ca: `${folder}/ca.crt` };
  }

  function tlsOf(name: string): Record<string, string> {
    const { cert, key, ca } = filesOf(name);
    return { FN_TLS_CERT: cert, FN_TLS_KEY: key, FN_TLS_CA: ca };
  }

  const hostOf = (node: string) => new URL(fleet.url(node)).host;
  const call = async (url: string, knobs?: Invocation['knobs']) => (await invoke(url, { knobs, dispatcher })).status;

  /** What happens to a fleet: calls, a function that crashes, one that does not start, one that pushes another out, no room. */
  async function load(): Promise<void> {
    const worker = await fleet.deployed({ name: 'worker', memory: 128 });
    const other = await fleet.deployed({ name: 'other', memory: 256 });
    const broken = await fleet.deployed({ name: 'broken', memory: 128, config: { PROBE_INIT_EXIT: '3' } });
    // Twice: what happens once is no increase.
    for (let round = 0; round < 2; round += 1) {
      const statuses = await Promise.all(
        Array.from({ length: 4 }, () => call(worker, { sleepMs: 200, stdout: ['line'] })),
      );
      if (statuses.some((status) => status !== 200)) throw new Error(`answered ${statuses}:\n${fleet.log}`);
      expect(await call(worker, { crash: true })).toBe(502);
      expect(await call(broken)).toBe(502);
      await until({ what: 'room for a large function', look: async () => (await call(other)) === 200 || undefined });
      expect(await call(worker.replace(/[^/]+$/, 'nobody'))).toBe(404);
      await full(worker);
      await scraped();
    }
  }

  /** Every place is taken for longer than a call may look for one. Where containers start slowly, the first call may end before that. */
  async function full(worker: string): Promise<void> {
    await until({
      what: 'calls that find no place',
      look: async () => {
        const running = Array.from({ length: 4 }, () => call(worker, { sleepMs: 6000 }));
        await until({
          what: 'four that run',
          look: async () => (await samples('sum(fn_container_busy_total)'))[0]?.value === 4 || undefined,
        });
        const refused = await Promise.all([call(worker), call(worker)]);
        expect(await Promise.all(running)).toEqual([200, 200, 200, 200]);
        return refused.every((status) => status === 503) || undefined;
      },
    });
  }

  const samples = (expr: string) => prometheus.query(expr);

  /** Everything that has happened so far is in Prometheus. */
  async function scraped(): Promise<void> {
    const [last] = await samples('max(timestamp(up))');
    await until({
      what: 'two more scrapes',
      look: async () => ((await samples('min(timestamp(up))'))[0]?.value ?? 0) > (last?.value ?? 0) + 2 || undefined,
    });
  }

  it('reaches every node with the certificate of an operator', async () => {
    expect((await samples('up')).map(({ metric: { job }, value }) => `${job} ${value}`).sort()).toEqual([
      'fnfleet-api 1',
      'fnfleet-lb 1',
      'fnfleet-runner 1',
      'fnfleet-runner 1',
    ]);
  });

  it('takes every rule, and has all that they look at', async () => {
    const rules = await prometheus.rules();
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
    expect(rules.map(({ name }) => name).sort()).toEqual(
      alertRules()
        .map(({ alert }) => alert)
        .sort(),
    );
    const empty = await whichAreEmpty(alertRules().flatMap(({ expr }) => selectorsOf(expr)));
    expect(empty.sort()).toEqual(Object.keys(NOT_HERE).sort());
  });

  it('takes every query of the run book, and has what it reads', async () => {
    for (const query of runBookQueries()) await samples(query);
    const empty = await whichAreEmpty(runBookQueries().flatMap(selectorsOf));
    expect(empty.filter((selector) => !(selector in NOT_HERE))).toEqual([]);
  });

  it('has an answer for every panel of every dashboard', async () => {
    const queries = dashboards().flatMap(panelQueries);
    const odd: string[] = [];
    for (const { where, expr } of queries) {
      const numbers = (await samples(asSent(expr))).filter(({ value }: Sample) => !Number.isNaN(value));
      const isEmptyHere = EMPTY_HERE.some((pattern) => pattern.test(where));
      if ((numbers.length === 0) !== isEmptyHere) odd.push(`${where}: ${numbers.length} numbers`);
    }
    expect(odd).toEqual([]);
    process.stdout.write(`monitoring: ${alertRules().length} rules, ${queries.length} expressions of panels\n`);
  });

  it('has a value for every variable of every dashboard', async () => {
    const queries = dashboards().flatMap(({ templating }) =>
      templating.list.flatMap(({ definition }) => definition ?? []),
    );
    for (const query of queries) {
      const [, selector = '', label = ''] = /^label_values\((.+), (\w+)\)$/.exec(query) ?? [];
      const values = (await samples(asSent(selector))).map(({ metric }) => metric[label]);
      expect([query, values.length > 0 && values.every(Boolean)]).toEqual([query, true]);
    }
  });

  it('hears of nothing while all is well, and of a runner that dies', async () => {
    // The test's own doing, or that of a machine which is busy with other tests.
    const expected = [
      'FnfleetCallsTurnedAway',
      'FnfleetManyCallsTurnedAway',
      'FnfleetLaunchFailures',
      'FnfleetEngineSlow',
      'FnfleetOverheadHigh',
      'FnfleetEvictionStorm',
    ];
    const before = (await prometheus.alerts()).map(({ labels }) => labels.alertname ?? '');
    expect(before.filter((name) => !expected.includes(name))).toEqual([]);
    await fleet.kill('runner2');
    const seen = await until({
      what: 'alerts on the runner',
      look: async () => {
        const alerts = await prometheus.alerts();
        const [down, unreachable] = ['FnfleetTargetDown', 'FnfleetRunnerUnreachable'].map((name) =>
          alerts.find(({ labels }) => labels.alertname === name),
        );
        return down && unreachable ? { down, unreachable } : undefined;
      },
    });
    expect(seen.down.annotations.summary).toBe(`${hostOf('runner2')} does not answer (fnfleet-runner)`);
    expect(seen.unreachable.annotations.summary).toBe(`${hostOf('lb')} cannot reach 1 of its runners`);
    await fleet.revive('runner2');
    await until({
      what: 'no alert on the runner',
      look: async () =>
        (await prometheus.alerts()).every(({ labels }) => !/Down|Unreachable/.test(labels.alertname ?? '')) ||
        undefined,
    });
  });

  async function whichAreEmpty(selectors: readonly string[]): Promise<string[]> {
    const empty: string[] = [];
    for (const selector of new Set(selectors)) if ((await samples(selector)).length === 0) empty.push(selector);
    return empty;
  }
});
