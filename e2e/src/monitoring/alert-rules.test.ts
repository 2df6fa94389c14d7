// needs: prometheus
// takes: 9 s
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { testTool } from '@fnfleet/testing';
import { ROOT } from '../harness/paths.js';
import { run } from '../harness/run.js';
import { alertCases, alertRules, CASES_FILE, RULES_FILE } from './alert-rules.js';
import { exportedNames, namedMetrics } from './exported-names.js';

jest.setTimeout(120_000);

const RULES = alertRules();
const SEVERITIES = ['critical', 'warning', 'info'];

async function promtool(...args: string[]): Promise<string> {
  // It comes with the server.
  const program = (await testTool('prometheus')).replace(/prometheus$/, 'promtool');
  return (await run(program, args)).stdout;
}

it('promtool takes the rules', async () => {
  expect(await promtool('check', 'rules', RULES_FILE)).toContain(`SUCCESS: ${RULES.length} rules found`);
});

it('every alert fires when it should, and not otherwise', async () => {
  expect(await promtool('test', 'rules', CASES_FILE)).toContain('SUCCESS');
});

it('of every alert it is checked that it fires, and that it does not', () => {
  const cases = new Map(alertCases().map((found) => [found.name, found.promql_expr_test]));
  expect([...cases.keys()].sort()).toEqual(RULES.map(({ alert }) => alert).sort());
  for (const { alert, labels } of RULES) {
    const looks = cases.get(alert) ?? [];
    for (const { expr } of looks) expect(expr).toContain(`ALERTS{alertname="${alert}", alertstate="firing"}`);
    const fired = looks.flatMap(({ exp_samples: samples }) => samples);
    expect([alert, fired.length > 0, looks.some(({ exp_samples: samples }) => samples.length === 0)]).toEqual([
      alert,
      true,
      true,
    ]);
    expect(JSON.stringify(fired)).toContain(`severity=\\"${labels.severity}\\"`);
  }
});

it('every metric that a rule names is declared', () => {
  const known = exportedNames();
  const unknown = RULES.flatMap(({ alert, expr }) =>
    namedMetrics(expr).flatMap((name) => (known.has(name) ? [] : `${alert}: ${name}`)),
  );
  expect(unknown).toEqual([]);
  expect(RULES.filter(({ expr }) => namedMetrics(expr).length === 0).map(({ alert }) => alert)).toEqual([
    'FnfleetNoBalancer',
    'FnfleetNoApi',
    'FnfleetTargetDown',
  ]);
});

it.each(RULES.map((rule) => [rule.alert, rule] as const))(
  '%s says how bad it is, what it is, and what to do',
  (_, rule) => {
    const { alert, labels, annotations } = rule;
    expect(SEVERITIES).toContain(labels.severity);
    const { summary = '', description = '', runbook_url: runbook, ...others } = annotations;
    expect(others).toEqual({});
    // A line in a pager.
    expect(summary.length).toBeLessThan(120);
    expect(description).toMatch(/\.$/);
    expect(runbook).toBe(`docs/operations.md#${alert.toLowerCase()}`);
  },
);

it('the run book has an entry for every alert, in their order, and none for others', () => {
  const text = readFileSync(path.join(ROOT, 'docs/operations.md'), 'utf8');
  const entries = [...text.matchAll(/^### (Fnfleet\w+)\n([\s\S]*?)(?=\n#|(?![\s\S]))/gm)];
  expect(entries.map(([, name]) => name)).toEqual(RULES.map(({ alert }) => alert));
  for (const [, name, body] of entries)
    expect([name, /^- /m.test(body ?? ''), /\*\*Do:\*\* /.test(body ?? '')]).toEqual([name, true, true]);
});
