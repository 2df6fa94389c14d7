import { readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from '../harness/paths.js';

/** What docs/operations.md tells to ask Prometheus. */
export function runBookQueries(): string[] {
  const text = readFileSync(path.join(ROOT, 'docs/operations.md'), 'utf8');
  const spans = [...text.replace(/```[\s\S]*?```/g, '').matchAll(/`([^`]+)`/g)].map(([, span = '']) => span);
  return spans.filter((span) => /\bfn_/.test(span) && span.includes('('));
}
