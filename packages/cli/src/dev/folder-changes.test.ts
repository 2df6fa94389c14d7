// takes: 6 s
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FolderChanges } from './folder-changes.js';

let folder: string;
let changes: FolderChanges;
let seen: number;
const write = (name: string, text = 'x') => writeFileSync(path.join(folder, name), text);

async function untilSeen(count: number): Promise<void> {
  while (seen < count) await sleep(20);
}

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'fnw'));
  for (const name of ['lib', 'node_modules', 'notes']) mkdirSync(path.join(folder, name));
  write('func.js');
  write('.dockerignore', 'notes\n');
  seen = 0;
  changes = await FolderChanges.watch(folder, () => {
    seen += 1;
  });
});
afterEach(async () => {
  await changes.close();
  rmSync(folder, { recursive: true });
});

it('reports several writes in quick succession as one change', async () => {
  write('func.js', 'a');
  write('lib/a.js');
  write('lib/b.js');
  await untilSeen(1);
  await sleep(300);
  expect(seen).toBe(1);
});

it('reports a file that replaces another, as editors do', async () => {
  write('func.js~', 'new');
  renameSync(path.join(folder, 'func.js~'), path.join(folder, 'func.js'));
  await untilSeen(1);
});

it('ignores node_modules and files that .dockerignore excludes', async () => {
  write('notes/today');
  write('node_modules/a.js');
  await sleep(500);
  expect(seen).toBe(0);
  write('func.js', 'b');
  await untilSeen(1);
});

it('merges a storm of changes into a few, and reports an endless one while it lasts', async () => {
  let stormy = true;
  const storm = async () => {
    for (let times = 0; stormy; times += 1) {
      write('func.js', `${times}`);
      write(`lib/new${times % 100}.js`);
      await sleep(10);
    }
  };
  const raging = storm();
  await untilSeen(2);
  stormy = false;
  await raging;
  await sleep(300);
  expect(seen).toBeLessThan(10);
});

it('ignores the cache that Python writes when a function runs', async () => {
  mkdirSync(path.join(folder, '__pycache__'));
  write('__pycache__/func.pyc');
  await sleep(500);
  expect(seen).toBe(0);
});

it('applies changes of .dockerignore, and ignores an invalid line in it', async () => {
  write('.dockerignore', 'notes\nlib\n');
  await untilSeen(1);
  write('lib/a.js');
  await sleep(500);
  expect(seen).toBe(1);
  write('.dockerignore', 'b[\n');
  await untilSeen(2);
  write('lib/a.js', 'y');
  await sleep(500);
  expect(seen).toBe(2);
  write('func.js', 'd');
  await untilSeen(3);
});

it('reports nothing after the end', async () => {
  write('func.js', 'c');
  await changes.close();
  await sleep(300);
  expect(seen).toBe(0);
});
