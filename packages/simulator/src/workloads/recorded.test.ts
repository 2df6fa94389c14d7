import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { workloads } from './index.js';
import { readWorkload, workloadLines } from './recorded.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'fnfleet-workload-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function fileOf(...lines: string[]): Promise<string> {
  const file = path.join(folder, 'calls.jsonl');
  await writeFile(file, lines.join(''));
  return file;
}

it('reads back what was written', async () => {
  const written = workloads.get('azure').create({ seed: 3, calls: 500, runners: 5, busyMb: 5000, swing: 0 });
  const read = await readWorkload(await fileOf(...workloadLines(written)));
  expect(read.calls.count).toBe(500);
  for (let i = 0; i < 500; i += 1) {
    const [theirs, ours] = [written, read].map(({ functions, calls }) => functions[calls.fn[i] as number]);
    expect(ours).toEqual(theirs);
    expect(read.calls.execMs[i]).toBeCloseTo(written.calls.execMs[i] as number, 2);
    expect(read.calls.atMs[i]).toBeCloseTo(written.calls.atMs[i] as number, 2);
  }
});

it('sorts the calls, and gives those with a hot container the typical start time', async () => {
  const line = (t: number, init?: number) =>
    `${JSON.stringify({ t_ms: t, app: 'a', fn: 'f', memory_mb: 128, exec_ms: 5, init_ms: init })}\n`;
  const { calls } = await readWorkload(await fileOf(line(30), line(10, 400), '\n', line(20, 600), line(40, 900)));
  expect([...calls.atMs]).toEqual([10, 20, 30, 40]);
  expect([...calls.initMs]).toEqual([400, 600, 600, 900]);
});

it.each`
  what               | lines                | problem
  ${'a wrong line'}  | ${['\n', 'hello\n']} | ${/calls\.jsonl, line 2: expected a JSON object, got "hello"/}
  ${'nothing in it'} | ${['\n']}            | ${/calls\.jsonl: holds no calls/}
`('reports the position of an error: a workload file with $what', async ({ lines, problem }) => {
  await expect(readWorkload(await fileOf(...lines))).rejects.toThrow(problem);
});

it('reports a missing file', async () => {
  await expect(readWorkload(path.join(folder, 'none'))).rejects.toThrow(/ENOENT.*none/);
});
