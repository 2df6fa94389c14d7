// takes: 4 s
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testTool } from './servers/test-program.js';

const ROOT = join(__dirname, '..', '..', '..');

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fng'));
});
afterEach(() => rm(folder, { recursive: true }));

/** Runs a test that tolerates any input. @returns the output of jest, and whether the test passed */
async function outcomeOf(needs: string, act: string): Promise<{ passed: boolean; output: string }> {
  const test = `it('copes', async () => { ${act} })`;
  await writeFile(join(folder, 'coping.test.ts'), needs === '' ? test : `// needs: ${needs}\n${test}`);
  await writeFile(join(folder, 'coping.test.js'), test);
  const config = {
    rootDir: folder,
    testMatch: ['<rootDir>/*.test.js'],
    transform: {},
    cacheDirectory: join(folder, 'cache'),
    setupFilesAfterEnv: [join(ROOT, 'scripts/lib/test-guard.cjs')],
  };
  const jest = join(ROOT, 'node_modules/jest/bin/jest.js');
  return new Promise((resolve) => {
    execFile(process.execPath, [jest, '--config', JSON.stringify(config)], { cwd: folder }, (error, stdout, stderr) =>
      resolve({ passed: error === null, output: stdout + stderr }),
    );
  });
}

const SPAWN = (name: string) =>
  `await new Promise((done) => require('node:child_process').spawn('${name}', ['--version']).on('error', done).on('exit', done))`;
const DIAL =
  "await new Promise((done) => require('node:net').connect('/var/run/docker.sock').on('error', done).on('connect', function () { this.destroy(); done(); }))";

it.each`
  needs       | act                 | reached
  ${''}       | ${DIAL}             | ${'/var/run/docker.sock'}
  ${''}       | ${SPAWN('docker')}  | ${'docker'}
  ${'etcd'}   | ${SPAWN('apt-get')} | ${'apt-get'}
  ${'etcd'}   | ${SPAWN('true')}    | ${undefined}
  ${'docker'} | ${DIAL}             | ${undefined}
`('a test file that needs "$needs" is judged by what it reaches for: $reached', async ({ needs, act, reached }) => {
  const { passed, output } = await outcomeOf(needs, act);
  expect(output).toContain(reached === undefined ? '1 passed' : `reached for ${reached}: say "// needs: docker"`);
  expect(passed).toBe(reached === undefined);
});

it('a test file that does not name a program cannot use it', async () => {
  await expect(testTool('etcd')).rejects.toThrow('say "// needs: etcd" at the top of its source');
});
