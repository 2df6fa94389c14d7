import { count, FakeClock, type Logger, RecordedMetrics, silentLogger } from '@fnfleet/core';
import { DirectoryRemover } from './directory-remover.js';

const metrics = RecordedMetrics.install();
count('calls', 0);

let clock: FakeClock;
let remover: DirectoryRemover;
let warnings: string[];

beforeEach(() => {
  metrics.reset();
  clock = new FakeClock();
  warnings = [];
  const logger = { ...silentLogger, warn: (message: string) => warnings.push(message) } as unknown as Logger;
  remover = new DirectoryRemover({ clock, logger });
});

afterEach(async () => {
  const closed = remover.close();
  await clock.advance(5_000);
  await closed;
  expect([remover.pending, clock.pendingTimers, metrics.sum('iofs_directories_left')]).toEqual([0, 0, 0]);
});

/** A directory that takes the given number of turns, each of which lasts until it is told to stop. */
function takes(turns: number) {
  const directory = { turns: 0, working: 0, most: 0 };
  const remove = async (signal: AbortSignal) => {
    directory.turns += 1;
    if (directory.turns >= turns) return;
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  };
  return { directory, remove };
}

it('a directory that takes long delays the close of its container for one short turn only', async () => {
  const { directory, remove } = takes(4);
  let closed = false;
  void remover.remove('slow', remove).then(() => {
    closed = true;
  });
  await clock.advance(199);
  expect([closed, remover.pending]).toEqual([false, 1]);
  await clock.advance(1);
  expect([closed, remover.pending, metrics.sum('iofs_directories_left')]).toEqual([true, 1, 1]);
  await clock.advance(3_000);
  expect([directory.turns, remover.pending]).toEqual([4, 0]);
});

it('slow directories do not block others: one that has had no turn goes first', async () => {
  for (const name of ['a', 'b', 'c', 'd']) void remover.remove(name, takes(100).remove);
  await clock.advance(1_000);
  let quick = false;
  void remover.remove('quick', takes(1).remove).then(() => {
    quick = true;
  });
  await clock.advance(1_000);
  expect([quick, remover.pending]).toEqual([true, 4]);
});

it('a directory that cannot be removed is retried with growing delays, and logged once', async () => {
  let attempts = 0;
  await remover.remove('stuck', () => {
    attempts += 1;
    return Promise.reject(new Error('busy'));
  });
  expect([attempts, warnings.length]).toEqual([1, 1]);
  for (const [ms, total] of [
    [1_000, 2],
    [2_000, 3],
    [4_000, 4],
    [56_000, 7],
    [60_000, 8],
    [60_000, 9],
  ] as const) {
    await clock.advance(ms);
    expect(attempts).toBe(total);
  }
  expect([remover.pending, warnings.length]).toEqual([1, 1]);
});

it('a stopping runner waits a while, and leaves the rest to the next one', async () => {
  void remover.remove('slow', takes(1_000).remove);
  let closed = false;
  const closing = remover.close().then(() => {
    closed = true;
  });
  await clock.advance(4_999);
  expect(closed).toBe(false);
  await clock.advance(1);
  await closing;
  expect([remover.pending, warnings]).toEqual([
    0,
    ['cannot remove a socket directory, leaving it to the next runner that starts here'],
  ]);
});
