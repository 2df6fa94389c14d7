// takes: 9 s
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { TestApi } from '../test-kit/test-api.js';

const run = promisify(execFile);
const FIXTURES = path.join(__dirname, '../../fixtures');
const GENERATOR = path.join(path.dirname(require.resolve('openapi-typescript')), '../bin/cli.js');
const COMPILER = path.join(path.dirname(require.resolve('typescript')), 'tsc.js');
/** The folder that has the client library, as the project of a user would. */
const MODULES = path.join(path.dirname(require.resolve('openapi-fetch')), '../..');

let folder: string;
let api: TestApi;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'fnfleet-typed-client-'));
  api = await TestApi.start();
});
afterAll(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

const node = (script: string, ...args: string[]) =>
  run(process.execPath, [script, ...args], { cwd: folder, env: { ...process.env, NODE_OPTIONS: '' } });

it('a client generated from the document that a node serves compiles, and works', async () => {
  await writeFile(path.join(folder, 'openapi.json'), (await api.get('/v2/openapi.json')).text);
  // Fields with a default may be left out.
  await node(GENERATOR, 'openapi.json', '--default-non-nullable', 'false', '--output', 'api.d.ts');
  await copyFile(path.join(FIXTURES, 'typed-client.mts'), path.join(folder, 'client.mts'));
  await symlink(MODULES, path.join(folder, 'node_modules'));
  const options = {
    strict: true,
    noEmit: true,
    module: 'nodenext',
    target: 'es2024',
    allowImportingTsExtensions: true,
  };
  await writeFile(
    path.join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...options, types: ['node'] }, files: ['client.mts'] }),
  );
  const compiled = await node(COMPILER, '-p', '.').catch((error: { stdout: string }) => error);
  expect(compiled.stdout).toBe('');

  const { stdout } = await node('client.mts', api.url);
  expect(JSON.parse(stdout)).toEqual({
    config: 'debug',
    memory: 256,
    timeout: 60,
    stale: expect.stringContaining('If-Match'),
    known: 304,
    source: '/hello',
    listed: ['hello'],
    missing: 'App not found',
    removed: 204,
  });
}, 60_000);
