import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readFuncFile } from '../func-file/read-func-file.js';
import { buildFolder } from './build-folder.js';

const OPTIONS = { push: false, buildArgs: {}, buildkit: false, noCache: false, maxContextMib: 1 };
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'fnb'));
  writeFileSync(path.join(folder, 'Dockerfile'), 'FROM scratch\n');
});
afterEach(() => {
  jest.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

it.each([
  ['an image with a line feed', 'image: "team/fn:1\\nbuilt team/fn:1"', undefined],
  ['a name with a control character', 'name: "a\\e[2J"', undefined],
  ['capitals', 'name: Hello', undefined],
  ['a registry that is none', 'name: a', 'http://registry/'],
])('%s is refused with a one-line message before anything is done', async (_, text, registry) => {
  const shown: unknown[] = [];
  jest.spyOn(process.stderr, 'write').mockImplementation((line) => shown.push(line) > 0);
  writeFileSync(path.join(folder, 'func.yaml'), `${text}\nversion: 1\n`);
  const built = buildFolder(folder, readFuncFile(folder, { registry }), OPTIONS);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  await expect(built).rejects.toThrow(/^cannot build "[^\0-\x1f]*": [^\0-\x1f]*$/);
  expect(shown).toEqual([]);
});
