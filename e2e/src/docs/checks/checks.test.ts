// needs: nothing
import { MarkdownPage } from '../markdown-page.js';
import { commandProblems, mentionProblems, uncheckedCommands } from './commands.js';
import { linkProblems, pathProblems } from './links.js';
import { settingProblems } from './settings.js';

const page = (text: string) => new MarkdownPage('docs/made-up.md', text);
const shell = (...lines: string[]) => page(['```sh', ...lines, '```'].join('\n'));

it.each([
  ['no such command', 'bin/fnfleet deply shop', /unknown command 'deply'/],
  ['no such option', 'bin/fnfleet status --colour red', /unknown option '--colour'/],
  ['an argument that is missing', 'fnfleet drain', /missing required argument 'runner'/],
  ['one too many', 'fnfleet doctor everything', /too many arguments/],
  ['a value that is none', 'fnfleet top --interval often', /expected a number/],
  ['an option that is required', 'FN_PORT=1 fnfleet deploy shop', /required option '--app <name>'/],
  ['in a pipe, in another command', 'cat x | tee "$(fnfleet stauts)"', /unknown command 'stauts'/],
  ['an option of npm start', 'npm start -- --runer 3', /unknown option '--runer'/],
  ['no such script', 'npm run everything', /no script everything/],
  ['what fn was not recorded with', 'fn start', /not recorded/],
])('a command in a block: %s', async (_, line, problem) => {
  expect(await commandProblems(shell('# a comment', line))).toEqual([expect.stringMatching(problem)]);
  expect(await commandProblems(shell(line))).toEqual([expect.stringMatching(/^docs\/made-up\.md:2: /)]);
});

it('takes what is right', async () => {
  const right = shell(
    'bin/fnfleet drain <runner> --wait',
    'fnfleet certs fleet --names api,lb',
    'fnfleet deploy …',
    'npm test',
  );
  expect(await commandProblems(right)).toEqual([]);
});

it.each([
  ['use `fnfleet dran` for it', /no command dran/],
  ['use `fnfleet drain --wiat`', /no option --wiat/],
  ['use `npm run tset`', /no script tset/],
])('a command in the text: %s', async (text, problem) => {
  expect(await mentionProblems(page(text))).toEqual([expect.stringMatching(problem)]);
});

it('a command where nobody looks', () => {
  expect(uncheckedCommands(page('```\n  FN_PORT=1 bin/fnfleet node\nfnfleet: what it says\n```'))).toHaveLength(1);
});

it('a setting that there is not, and a family without members', async () => {
  expect(await settingProblems(page('`FN_PORT`, FN_PROT\nand `FN_TLS_*`, `FN_TSL_*`'))).toEqual([
    'docs/made-up.md:1: FN_PROT',
    'docs/made-up.md:2: FN_TSL_*',
  ]);
});

it('links that lead nowhere', () => {
  const text = '[a](architecture.md) [b](archi.md) [c](#here) [d](#there) [e](logs.md#nowhere)\n# Here';
  expect(linkProblems(page(text)).map((problem) => problem.split(': ').slice(1).join(' '))).toEqual([
    'archi.md',
    '#there no such heading',
    'logs.md#nowhere no such heading',
  ]);
});

it('files that are not there, in code and by the name of their package', () => {
  const text =
    '`docs/logs.md`, `docs/log.md`, `placement/fleet`, `placement/fleets`\n```sh\n. deploy/systemd/ap.env\n```';
  expect(
    pathProblems(page(text))
      .map((problem) => problem.split(': ')[1])
      .sort(),
  ).toEqual(['deploy/systemd/ap.env', 'docs/log.md', 'placement/fleets']);
});
