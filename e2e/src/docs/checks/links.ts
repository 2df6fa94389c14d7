import { existsSync, globSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from '../../harness/paths.js';
import { MarkdownPage } from '../markdown-page.js';

const AT_ROOT = ['bin', 'deploy', 'docs', 'e2e', 'examples', 'packages', 'proto', 'scripts'] as const;
const PACKAGES = globSync('packages/*', { cwd: ROOT }).map((folder) => path.basename(folder));
/** What those make who deploy, not we. */
const MADE_ELSEWHERE = /^deploy\/[\w-]+\/(certs\b(?!\.sh)|\.env$)|^docs\/pictures\/$/;
const NAMED = new RegExp(String.raw`(?<![\w/.:@-])((?:${AT_ROOT.join('|')})/[\w./*-]*[\w*])`, 'g');
const IN_PACKAGE = new RegExp(String.raw`^(?:${PACKAGES.join('|')})/[\w./-]+\w$`);

/** Every relative link of a page that leads nowhere, and every `#anchor` that no heading has. */
export function linkProblems(page: MarkdownPage): string[] {
  return page.links.flatMap(({ text, line }) => {
    if (/^[a-z]+:/.test(text)) return [];
    const [file = '', anchor] = text.split('#');
    const target = file === '' ? page.name : path.join(path.dirname(page.name), file);
    if (target !== page.name && !existsSync(path.join(ROOT, target))) return [`${page.name}:${line}: ${text}`];
    if (anchor === undefined || !target.endsWith('.md')) return [];
    const { anchors } = target === page.name ? page : new MarkdownPage(target);
    return anchors.has(anchor) ? [] : [`${page.name}:${line}: ${text}: no such heading`];
  });
}

/** Every file or folder of the repository that a page names, in a block or between back ticks, and that is not there. */
export function pathProblems(page: MarkdownPage): string[] {
  // Metrics have names like `api/latency`, and come from declarations.
  if (page.text.startsWith('<!-- Rendered')) return [];
  const inBlocks = page.blocks
    .filter(({ language }) => language !== 'console')
    .flatMap(({ lines, line }) => lines.map((text, index) => ({ text, line: line + index })));
  return [...inBlocks, ...page.codeSpans].flatMap(({ text, line }) =>
    namesIn(text).flatMap((name) => (exists(name, page) ? [] : [`${page.name}:${line}: ${name}`])),
  );
}

function namesIn(text: string): string[] {
  const named = [...text.matchAll(NAMED)].map(([, name = '']) => name);
  // `placement/view` is short for packages/placement/src/view.
  return IN_PACKAGE.test(text) && named.length === 0 ? [text] : named;
}

function exists(name: string, page: MarkdownPage): boolean {
  if (MADE_ELSEWHERE.test(name)) return true;
  const [first = '', ...rest] = name.split('/');
  const below = rest.join('/');
  const candidates = [
    name,
    path.join(path.dirname(page.name), name),
    `packages/${first}/${below}`,
    `packages/${first}/src/${below}`,
  ];
  return candidates.some((candidate) =>
    [candidate, `${candidate}.ts`, `${candidate}-*`].some((pattern) => globSync(pattern, { cwd: ROOT }).length > 0),
  );
}
