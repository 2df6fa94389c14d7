import { DelayLine } from './delay-line.js';
import { FakeClock } from './fake-clock.js';

let clock: FakeClock;
let line: DelayLine;
let ran: string[];
const add = (name: string) => line.add(() => ran.push(name));

beforeEach(() => {
  clock = new FakeClock();
  line = new DelayLine(clock, 10);
  ran = [];
});

it('each runs once, after the delay, in their order', async () => {
  add('a');
  await clock.advance(4);
  add('b');
  add('c');
  await clock.advance(5);
  expect(ran).toEqual([]);
  await clock.advance(1);
  expect(ran).toEqual(['a']);
  await clock.advance(3);
  expect(ran).toEqual(['a']);
  await clock.advance(1);
  expect(ran).toEqual(['a', 'b', 'c']);
  await clock.advance(100);
  expect([ran.length, line.size, clock.pendingTimers]).toEqual([3, 0, 0]);
});

it('one that was cancelled does not run, and one that is set meanwhile runs at its own time', async () => {
  const timer = add('a');
  await clock.advance(9);
  timer.cancel();
  timer.cancel();
  add('b');
  await clock.advance(9);
  expect([ran, line.size]).toEqual([[], 1]);
  await clock.advance(1);
  expect([ran, line.size, clock.pendingTimers]).toEqual([['b'], 0, 0]);
});

it('100 000 that are cancelled need one timer of the clock and hold no memory', async () => {
  const first = add('first');
  for (let i = 0; i < 100_000; i += 1) add('cancelled').cancel();
  expect([line.size, clock.pendingTimers, Reflect.get(line, 'waiting').length]).toEqual([1, 1, 1]);
  first.cancel();
  expect([line.size, clock.pendingTimers, Reflect.get(line, 'waiting').length]).toEqual([0, 1, 0]);
  await clock.advance(10);
  expect([ran, clock.pendingTimers]).toEqual([[], 0]);
});

it('those that were cancelled before one that waits go with it at the latest', async () => {
  const cancelled = [add('a'), add('b'), add('c')];
  add('d');
  for (const timer of cancelled) timer.cancel();
  expect(line.size).toBe(1);
  await clock.advance(10);
  expect([ran, line.size, Reflect.get(line, 'waiting').length]).toEqual([['d'], 0, 0]);
});

it('a callback may cancel the next and set another', async () => {
  line.add(() => {
    ran.push('a');
    next.cancel();
    add('c');
  });
  const next = add('b');
  await clock.advance(10);
  expect([ran, line.size]).toEqual([['a'], 1]);
  await clock.advance(10);
  expect([ran, clock.pendingTimers]).toEqual([['a', 'c'], 0]);
});

it('closed, it runs nothing and leaves no timer', async () => {
  add('a');
  line.close();
  expect([line.size, clock.pendingTimers]).toEqual([0, 0]);
  await clock.advance(10);
  expect(ran).toEqual([]);
});
