import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FakeClock, type Timer } from '@fnfleet/core';
import { FolderChanges } from './folder-changes.js';

/** The quiet that ends a change, and how long one may last. */
const QUIET_MS = 50;
const AT_LEAST_MS = 2_000;

/** Only the system knows how long it takes to report a write: time stands still meanwhile, and each report begins the quiet anew. */
class CountingClock extends FakeClock {
  noticed = 0;
  override after(delayMs: number, callback: () => void): Timer {
    this.noticed += 1;
    return super.after(delayMs, callback);
  }
}

let folder: string;
let clock: CountingClock;
let changes: FolderChanges;
let seen: number;
const write = (name: string, text = 'x') => writeFileSync(path.join(folder, name), text);

async function untilNoticed(count: number): Promise<void> {
  while (clock.noticed < count) await sleep(5);
}

/** Lets time pass once nothing more is reported. @returns what was noticed so far */
async function settled(): Promise<number> {
  for (let quiet = 0, before = -1; quiet < 4; quiet = clock.noticed === before ? quiet + 1 : 0) {
    before = clock.noticed;
    await sleep(50);
  }
  await clock.advance(QUIET_MS);
  return clock.noticed;
}

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'fnw'));
  for (const name of ['lib', 'node_modules', 'notes']) mkdirSync(path.join(folder, name));
  write('func.js');
  write('.dockerignore', 'notes\n');
  seen = 0;
  clock = new CountingClock();
  changes = await FolderChanges.watch(
    folder,
    () => {
      seen += 1;
    },
    clock,
  );
});
afterEach(async () => {
  await changes.close();
  expect(clock.pendingTimers).toBe(0);
  rmSync(folder, { recursive: true });
});

it('reports several writes in quick succession as one change', async () => {
  write('func.js', 'a');
  write('lib/a.js');
  write('lib/b.js');
  await untilNoticed(3);
  await clock.advance(QUIET_MS - 1);
  expect(seen).toBe(0);
  await clock.advance(1);
  expect(seen).toBe(1);
});

it('reports a file that replaces another, as editors do', async () => {
  write('func.js~', 'new');
  renameSync(path.join(folder, 'func.js~'), path.join(folder, 'func.js'));
  await untilNoticed(1);
  await settled();
  expect(seen).toBeGreaterThan(0);
});

it('ignores node_modules and files that .dockerignore excludes', async () => {
  write('notes/today');
  write('node_modules/a.js');
  expect(await settled()).toBe(0);
  write('func.js', 'b');
  await untilNoticed(1);
  await clock.advance(QUIET_MS);
  expect(seen).toBe(1);
});

it('merges a storm of changes into one, and reports an endless one while it lasts', async () => {
  for (let times = 0; clock.now() < AT_LEAST_MS; times += 1) {
    expect(seen).toBe(0);
    const before = clock.noticed;
    // Of writes that follow each other closely, one may be reported for all.
    for (let again = 0; clock.noticed === before; again += 1) {
      write('func.js', `${times} ${again}`);
      write(`lib/new${times}-${again}.js`);
      await sleep(5);
    }
    await clock.advance(QUIET_MS - 10);
  }
  expect(seen).toBe(1);
});

it('ignores the cache that Python writes when a function runs', async () => {
  mkdirSync(path.join(folder, '__pycache__'));
  write('__pycache__/func.pyc');
  expect(await settled()).toBe(0);
});

it('applies changes of .dockerignore, and ignores an invalid line in it', async () => {
  write('.dockerignore', 'notes\nlib\n');
  await untilNoticed(1);
  const first = await settled();
  write('lib/a.js');
  expect(await settled()).toBe(first);
  write('.dockerignore', 'b[\n');
  await untilNoticed(first + 1);
  const second = await settled();
  write('lib/a.js', 'y');
  expect(await settled()).toBe(second);
  write('func.js', 'd');
  await untilNoticed(second + 1);
  const reported = seen;
  await clock.advance(QUIET_MS);
  expect(seen).toBe(reported + 1);
});

it('reports nothing after the end', async () => {
  write('func.js', 'c');
  await changes.close();
  expect(await settled()).toBe(0);
  expect(seen).toBe(0);
});
