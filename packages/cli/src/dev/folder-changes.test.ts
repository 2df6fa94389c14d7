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

it('several writes in one go are one change', async () => {
  write('func.js', 'a');
  write('lib/a.js');
  write('lib/b.js');
  await untilSeen(1);
  await sleep(300);
  expect(seen).toBe(1);
});

it('a file that is put in the place of another, as editors do, is a change', async () => {
  write('func.js~', 'new');
  renameSync(path.join(folder, 'func.js~'), path.join(folder, 'func.js'));
  await untilSeen(1);
});

it('what .dockerignore names, and node_modules, are not looked at', async () => {
  write('notes/today');
  write('node_modules/a.js');
  await sleep(500);
  expect(seen).toBe(0);
  write('func.js', 'b');
  await untilSeen(1);
});

it('a storm of changes is a few, and one that does not end is told while it lasts', async () => {
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

it('what Python leaves beside a function that ran is no change', async () => {
  mkdirSync(path.join(folder, '__pycache__'));
  write('__pycache__/func.pyc');
  await sleep(500);
  expect(seen).toBe(0);
});

it('what .dockerignore names from now on is not looked at any more, and a line that is no pattern changes nothing', async () => {
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

it('nothing is told after the end', async () => {
  write('func.js', 'c');
  await changes.close();
  await sleep(300);
  expect(seen).toBe(0);
});
