// takes: 18 s
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { commandProblems, mentionProblems, uncheckedCommands } from './docs/checks/commands.js';
import { linkProblems, pathProblems } from './docs/checks/links.js';
import { settingProblems } from './docs/checks/settings.js';
import { MarkdownPage } from './docs/markdown-page.js';
import { Reader } from './docs/reader.js';
import { ROOT } from './harness/paths.js';

jest.setTimeout(120_000);

const PAGES = [
  '*.md',
  'docs/**/*.md',
  'deploy/**/*.md',
  'examples/*/*.md',
  'packages/*/README.md',
  'e2e/functions/*/*.md',
]
  .flatMap((pattern) => globSync(pattern, { cwd: ROOT, exclude: (name) => name === 'node_modules' }))
  .sort()
  .map((name) => new MarkdownPage(name));

/** Pages whose console blocks are run, and the part of each that is followed. */
const FOLLOWED: readonly { name: string; heading?: string }[] = [
  { name: 'README.md', heading: 'Two commands' },
  { name: 'docs/first-steps.md' },
  { name: 'docs/functions.md' },
];

describe('the documentation', () => {
  it('is found', () => {
    expect(PAGES.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['README.md', 'docs/commands.md', 'deploy/README.md']),
    );
  });

  it('has only commands that there are, with options that they take', async () => {
    expect((await Promise.all(PAGES.map(commandProblems))).flat()).toEqual([]);
  });

  it('has them where they are read', () => {
    expect(PAGES.flatMap(uncheckedCommands)).toEqual([]);
  });

  it('mentions only commands that there are', async () => {
    expect((await Promise.all(PAGES.map(mentionProblems))).flat()).toEqual([]);
  });

  it('names only settings that there are', async () => {
    expect((await Promise.all(PAGES.map(settingProblems))).flat()).toEqual([]);
  });

  it('has only links that lead to something, headings included', () => {
    expect(PAGES.flatMap(linkProblems)).toEqual([]);
  });

  it('has pictures that say in words what they show, for light and for dark pages', () => {
    const pictures = globSync('docs/pictures/*', { cwd: ROOT });
    expect(pictures.length).toBeGreaterThan(0);
    for (const picture of pictures) {
      const svg = readFileSync(path.join(ROOT, picture), 'utf8');
      expect([picture, /<title>[^<]+<\/title>/.test(svg), svg.includes('prefers-color-scheme: dark')]).toEqual([
        picture,
        true,
        true,
      ]);
      const shown = PAGES.flatMap(({ text }) => [...text.matchAll(/!\[([^\]]*)\]\(([^)]+)\)/g)]).filter(
        ([, , link = '']) => path.basename(link) === path.basename(picture),
      );
      expect([picture, shown.length > 0, shown.every(([, words = '']) => words.split(' ').length > 10)]).toEqual([
        picture,
        true,
        true,
      ]);
    }
  });

  it('names only files that there are', () => {
    expect(PAGES.flatMap(pathProblems)).toEqual([]);
  });

  it('runs what it shows with its output, on the pages that say so, and nothing else is a console block', () => {
    const consoles = PAGES.filter(({ blocks }) => blocks.some(({ language }) => language === 'console'));
    expect(consoles.map(({ name }) => name).sort()).toEqual(FOLLOWED.map(({ name }) => name).sort());
  });
});

describe('somebody who does what a page says', () => {
  let reader: Reader | undefined;

  beforeEach(async () => {
    reader = await Reader.start();
  });

  afterEach(async () => {
    expect(await reader?.leave()).toEqual([]);
  });

  it.each(FOLLOWED)('$name works as it says', async ({ name, heading }) => {
    const page = PAGES.find((candidate) => candidate.name === name);
    if (page === undefined) throw new Error(`no page ${name}`);
    await reader?.follow(page, heading);
  });
});
