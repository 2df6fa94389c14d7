import { FakeClock, later } from '@fnfleet/core';
import type { LoadReport } from '@fnfleet/protocol';
import { Room } from './room.js';
import { needFor } from './test-view.js';

const MB = 1024 * 1024;

let clock: FakeClock;
let room: Room;
beforeEach(() => {
  clock = new FakeClock();
  room = new Room();
});

const told = (totalMb: number, usedMb: number, idleMb?: number) =>
  room.told(
    {
      memoryTotalBytes: totalMb * MB,
      memoryUsedBytes: usedMb * MB,
      memoryIdleBytes: idleMb === undefined ? undefined : idleMb * MB,
    } as LoadReport,
    clock.now(),
  );
/** The largest container that fits, MB. */
const largest = () => {
  for (let mb = 1_000; mb > 0; mb -= 1) if (room.fits(mb * MB, clock.now())) return mb;
  return 0;
};
const fitsAnything = () => room.fits(1e15, clock.now());

it('before the first report anything may fit, also when calls are in hand', () => {
  room.taken(needFor());
  expect(fitsAnything()).toBe(true);
});

it.each`
  total  | used   | idle         | left
  ${500} | ${200} | ${undefined} | ${300}
  ${500} | ${200} | ${50}        | ${350}
  ${500} | ${500} | ${0}         | ${0}
`('of $total MB with $used used and $idle of that idle, $left are left', ({ total, used, idle, left }) => {
  told(total, used, idle);
  expect(largest()).toBe(left);
});

it('a runner that does not know its memory has no limit that could be guessed at', () => {
  told(500, 500);
  told(0, 0);
  expect(fitsAnything()).toBe(true);
});

it('calls that were offered since the report take from it, until the next', () => {
  told(500, 200);
  room.taken(needFor('a', 100));
  room.taken(needFor('b', 50));
  expect(largest()).toBe(150);
  told(500, 200);
  expect(largest()).toBe(300);
});

it('what is in hand is never promised twice, however much a report says is left', () => {
  const [a, b] = [needFor('a', 300), needFor('b', 100)];
  room.taken(a);
  room.taken(b);
  told(500, 0);
  expect(largest()).toBe(100);
  room.returned(a.call);
  room.returned(a.call);
  expect(largest()).toBe(400);
  room.returned(b.call);
  expect(largest()).toBe(500);
});

it('an old report keeps nobody from asking', async () => {
  told(500, 500);
  expect(room.trustedUntil).toBe(later(clock.now(), 2_000));
  await clock.advance(1_999);
  expect(largest()).toBe(0);
  await clock.advance(1);
  expect(fitsAnything()).toBe(true);
});

it('of another process nothing is known', () => {
  told(500, 500);
  room.forget();
  expect(fitsAnything()).toBe(true);
  room.taken(needFor());
  expect(fitsAnything()).toBe(true);
});
