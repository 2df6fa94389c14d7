import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { simulateCommand } from './simulate.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'fnfleet-simulate-'));
});
afterEach(() => rm(folder, { recursive: true }));

const simulate = (...args: string[]) => simulateCommand().parseAsync(['--calls', '100', ...args], { from: 'user' });

it.each([
  ['--save-workload', '--workload-file'],
  ['--save-trace', '--trace'],
])('%s writes the calls that %s reads', async (save, read) => {
  const file = path.join(folder, 'calls.jsonl');
  await simulate(save, file);
  expect((await readFile(file, 'utf8')).trim().split('\n')).toHaveLength(100);
  await expect(simulate(read, file, save, file)).rejects.toThrow('the workload already comes from a file');
});
