import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { ROOT } from '../harness/paths.js';

export const RULES_FILE = path.join(ROOT, 'deploy/prometheus/alerts.yml');
export const CASES_FILE = path.join(ROOT, 'deploy/prometheus/alerts.test.yml');

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** What promtool checks of one alert. */
export interface AlertCase {
  readonly name: string;
  readonly promql_expr_test: readonly { readonly expr: string; readonly exp_samples: readonly unknown[] }[];
}

export function alertRules(): AlertRule[] {
  const { groups } = parse(readFileSync(RULES_FILE, 'utf8')) as { groups: { rules: AlertRule[] }[] };
  return groups.flatMap(({ rules }) => rules);
}

export function alertCases(): AlertCase[] {
  return (parse(readFileSync(CASES_FILE, 'utf8')) as { tests: AlertCase[] }).tests;
}
