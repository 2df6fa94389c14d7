import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readFuncFile } from './func-file.js';

const folder = mkdtempSync(path.join(tmpdir(), 'func-file-'));
afterAll(() => rmSync(folder, { recursive: true }));

function read(text: string) {
  writeFileSync(path.join(folder, 'func.yaml'), text);
  return readFuncFile(folder);
}

it('reads what the fn command line writes', () => {
  expect(
    read(
      'schema_version: 20180708\nname: hello\nversion: 0.0.2\nmemory: 256\ntimeout: 10\nconfig:\n  A: b\ntriggers:\n- name: t\n  type: http\n  source: /t\n',
    ),
  ).toEqual({
    name: 'hello',
    image: 'hello:0.0.2',
    memory: 256,
    timeout: 10,
    idle_timeout: undefined,
    config: { A: 'b' },
    triggers: [{ name: 't', type: 'http', source: '/t' }],
  });
});

it.each([
  ['an image of its own', 'name: a\nimage: registry.example/a:1\n', 'registry.example/a:1'],
  ['no version', 'name: a\n', 'a:latest'],
])('%s', (_, text, image) => expect(read(text).image).toBe(image));

it.each([
  ['no name', 'version: 1\n', /expected a name/],
  ['memory in words', 'name: a\nmemory: much\n', /memory: expected a whole number, got "much"/],
  ['triggers that are no list', 'name: a\ntriggers: /t\n', /triggers: expected a list/],
  ['a trigger without a source', 'name: a\ntriggers: [{name: t}]\n', /name, type http and source .*"t"/],
  ['no YAML', 'name: [', /cannot read/],
])('says what is wrong: %s', (_, text, message) => expect(() => read(text)).toThrow(message));

it('names the file that is missing', () => {
  expect(() => readFuncFile('/nowhere')).toThrow('/nowhere/func.yaml');
});
