import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { VERSION } from '@fnfleet/core';

const COMMAND = path.join(__dirname, '../bin/fnfleet');
const run = promisify(execFile);

describe('the fnfleet command', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'fnfleet-command-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('works through symbolic links, and prints its version without loading a command', async () => {
    const link = path.join(folder, 'fnfleet');
    await symlink(COMMAND, link);
    const loaded = path.join(folder, 'loaded.cjs');
    await writeFile(loaded, `process.on('exit', () => console.error(Object.keys(require.cache).join('\\n')));`);
    const { stdout, stderr } = await run(link, ['--version'], {
      env: { ...process.env, NODE_OPTIONS: `-r ${loaded}` },
    });
    expect(stdout).toBe(`${VERSION}\n`);
    expect(stderr).not.toMatch(/commander|dist/);
  });

  it('runs as a single process, so that signals reach the node directly', async () => {
    const tellsPid = path.join(folder, 'pid.cjs');
    await writeFile(tellsPid, 'console.log(process.pid);');
    const child = spawn(COMMAND, ['--version'], { env: { ...process.env, NODE_OPTIONS: `-r ${tellsPid}` } });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    await new Promise((resolve) => child.once('close', resolve));
    expect(output).toBe(`${child.pid}\n${VERSION}\n`);
  });

  it('names the required Node version if it is too old', async () => {
    const old = path.join(folder, 'old.cjs');
    await writeFile(old, `Object.defineProperty(process.versions, 'node', { value: '20.1.0' });`);
    const options = { env: { ...process.env, NODE_OPTIONS: `-r ${old}` } };
    await expect(run(COMMAND, ['status'], options)).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^fnfleet needs Node 24 or newer; this is /),
    });
  });
});
