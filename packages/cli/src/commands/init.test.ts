import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { isBuildable } from '../build/build-folder.js';
import { readFuncFile } from '../func-file/read-func-file.js';
import { templateNames, writeTemplate } from './init.js';

let parent: string;
let folder: string;

beforeEach(() => {
  parent = mkdtempSync(path.join(tmpdir(), 'fni'));
  folder = path.join(parent, 'greet');
});
afterEach(() => rmSync(parent, { recursive: true }));

const text = (file: string) => readFileSync(path.join(folder, file), 'utf8');

it('there is a template for each language that has an FDK', () => {
  expect(templateNames()).toEqual(['go', 'java', 'node', 'python', 'ruby']);
});

it.each(templateNames())('the template for %s gives a folder that can be deployed under its name', (runtime) => {
  const files = writeTemplate(folder, { name: 'greet-2', runtime, force: false });
  expect(files).toEqual(expect.arrayContaining(['.dockerignore', 'Dockerfile', 'func.yaml']));
  const file = readFuncFile(folder);
  expect(file).toMatchObject({
    spec: { name: 'greet-2', image: 'greet-2:0.0.1' },
    triggers: [{ name: 'greet-2', source: '/greet-2' }],
    notes: [],
  });
  expect(isBuildable(folder, file)).toBe(true);
  expect(files.filter((name) => text(name).includes('function-name'))).toEqual([]);
});

it('existing files of a folder are kept, unless forced', () => {
  writeTemplate(folder, { name: 'greet', runtime: 'node', force: false });
  writeFileSync(path.join(folder, 'func.js'), 'mine');
  writeFileSync(path.join(folder, 'notes'), 'mine');
  expect(() => writeTemplate(folder, { name: 'greet', runtime: 'node', force: false })).toThrow(
    `the folder ${folder} is not empty; --force writes into it anyway`,
  );
  expect(text('func.js')).toBe('mine');
  writeTemplate(folder, { name: 'greet', runtime: 'node', force: true });
  expect([text('func.js').includes('fdk.handle'), text('notes')]).toEqual([true, 'mine']);
});

it.each(['', 'Greet', 'a/b', '..', '.', 'a b', '-a', 'a.b', 'größe', 'a\nb', 'x'.repeat(101)])(
  'a function is not called %j',
  (name) => {
    expect(() => writeTemplate(folder, { name, runtime: 'node', force: false })).toThrow(/^a function is called by/);
    expect(existsSync(folder)).toBe(false);
  },
);

describe('in a hostile folder, nothing is written outside of it:', () => {
  const elsewhere = () => path.join(parent, 'elsewhere');
  beforeEach(() => {
    mkdirSync(folder);
    mkdirSync(elsewhere());
    writeFileSync(path.join(elsewhere(), 'profile'), 'mine');
  });

  it.each([
    ['a link to a file', 'node', () => symlinkSync(path.join(elsewhere(), 'profile'), path.join(folder, 'func.js'))],
    ['a link to nothing yet', 'node', () => symlinkSync(path.join(elsewhere(), 'new'), path.join(folder, 'func.js'))],
    ['a link to a folder', 'java', () => symlinkSync(elsewhere(), path.join(folder, 'src'))],
    ['a folder in the place of a file', 'node', () => mkdirSync(path.join(folder, 'func.js'))],
    ['a pipe', 'node', () => execFileSync('mkfifo', [path.join(folder, 'func.js')])],
  ])('%s', (_, runtime, prepare) => {
    prepare();
    expect(() => writeTemplate(folder, { name: 'greet', runtime, force: true })).toThrow(
      /^(cannot write .*func\.js, which is not a regular file: |.*src is a symbolic link, which is not followed)/,
    );
    expect(readdirSync(elsewhere())).toEqual(['profile']);
    expect(readFileSync(path.join(elsewhere(), 'profile'), 'utf8')).toBe('mine');
  });
});
