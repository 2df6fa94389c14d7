import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ROLES } from 'fnfleet';
import { ROOT } from '../harness/paths.js';
import { exportedNames, namedMetrics } from './exported-names.js';

const PAGES = ['docs/operations.md', 'docs/security.md'];
/** What commands read, not nodes. */
const OF_COMMANDS = ['FN_API_URL', 'FN_LB_URL', 'FN_TOKEN'];

const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8');

/** Options of each command by its name (`certs renew`), from the page that is rendered from the declarations. */
function declaredCommands(): Map<string, Set<string>> {
  const sections = read('docs/commands.md').split(/^## /m).slice(1);
  return new Map(
    sections.map((section) => {
      const [name = ''] = section.split('\n', 1);
      return [name, new Set([...section.matchAll(/^\| `(--[\w-]+)/gm)].map(([, option = '']) => option))];
    }),
  );
}

/** Each command line of fnfleet in code, without comments. */
function shownCommands(text: string): string[] {
  const code = [...text.matchAll(/```sh\n([\s\S]*?)```|`([^`\n]+)`/g)].flatMap(([, block, span]) =>
    (block ?? span ?? '').split('\n'),
  );
  return code.flatMap((line) =>
    [...line.replace(/\s#.*$/, '').matchAll(/(?:^|\/)fnfleet (.+)$/g)].map(([, rest = '']) => rest.trim()),
  );
}

describe.each(PAGES)('%s', (page) => {
  const text = read(page);

  it('shows commands and options that there are', () => {
    const commands = declaredCommands();
    const shown = shownCommands(text);
    expect(shown.length).toBeGreaterThan(3);
    const wrong = shown.filter((line) => {
      const words = line.split(/\s+/);
      const name = [words.slice(0, 3), words.slice(0, 2), words.slice(0, 1)]
        .map((some) => some.join(' '))
        .find((some) => commands.has(some));
      const options = words.filter((word) => word.startsWith('--'));
      return name === undefined || !options.every((option) => commands.get(name)?.has(option));
    });
    expect(wrong).toEqual([]);
  });

  it('names settings that there are', () => {
    const declared = Object.values(ROLES).flatMap(({ settings }) => Object.values(settings).map(({ name }) => name));
    const common = [...read('docs/configuration.md').matchAll(/^\| `(\w+)` \|/gm)].map(([, name = '']) => name);
    const known = new Set([...declared, ...common, ...OF_COMMANDS]);
    const named = [...text.matchAll(/\b(?:FN|OTEL)_[A-Z][A-Z_]*[A-Z]\b/g)].map(([name]) => name.replace(/_FILE$/, ''));
    expect([...new Set(named)].filter((name) => !known.has(name) && !known.has(`${name}_FILE`))).toEqual([]);
  });

  it('names metrics that there are', () => {
    const known = exportedNames();
    // A histogram may be named as a whole.
    const isKnown = (name: string) => known.has(name) || known.has(`${name}_bucket`);
    expect(namedMetrics(text).filter((name) => !isKnown(name))).toEqual([]);
  });

  it('leads to pages, and headings on them, that there are', () => {
    const broken = [...text.matchAll(/\]\((?!https?:)([^)]+)\)/g)].flatMap(([, link = '']) => {
      const [file = '', anchor] = link.split('#');
      const target = file === '' ? page : path.join(path.dirname(page), file);
      if (!existsSync(path.join(ROOT, target))) return [link];
      return anchor === undefined || anchorsOf(read(target)).has(anchor) ? [] : [link];
    });
    expect(broken).toEqual([]);
  });
});

/** As GitHub makes them. */
function anchorsOf(markdown: string): Set<string> {
  const headings = [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    ),
  );
}
