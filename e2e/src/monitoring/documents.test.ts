// needs: nothing
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from '../harness/paths.js';
import { exportedNames, namedMetrics } from './exported-names.js';
import { runBookQueries } from './run-book.js';

/** All but the rules, which also use names of Fn. */
const PAGES = ['README.md', 'docs/*.md', 'docs/decisions/*.md', 'deploy/**/*.md'].flatMap((pattern) =>
  globSync(pattern, { cwd: ROOT }),
);

it('pages name metrics as Prometheus has them, and only such as there are', () => {
  const known = exportedNames();
  // A histogram may be named as a whole, and a family by its beginning: `fn_image_cleaner_*`.
  const isKnown = (name: string) =>
    known.has(name) ||
    known.has(`${name}_bucket`) ||
    (name.endsWith('_') && [...known].some((one) => one.startsWith(name)));
  const unknown = PAGES.flatMap((page) =>
    namedMetrics(readFileSync(path.join(ROOT, page), 'utf8')).flatMap((name) =>
      isKnown(name) ? [] : `${page}: ${name}`,
    ),
  );
  expect(unknown).toEqual([]);
});

it('the run book shows queries', () => {
  expect(runBookQueries().length).toBeGreaterThan(10);
});
