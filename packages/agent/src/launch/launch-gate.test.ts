import { LaunchGate } from './launch-gate.js';

const never = new AbortController().signal;

it('lets so many in, and the others in order of arrival', async () => {
  const gate = new LaunchGate(2);
  const order: number[] = [];
  const leavers: (() => void)[] = [];
  const all = [0, 1, 2, 3].map(async (number) => {
    leavers[number] = await gate.enter(never);
    order.push(number);
  });
  await new Promise(setImmediate);
  expect(order).toEqual([0, 1]);
  leavers[1]?.();
  leavers[1]?.(); // idempotent
  await new Promise(setImmediate);
  expect(order).toEqual([0, 1, 2]);
  leavers[0]?.();
  await Promise.all(all);
  expect(order).toEqual([0, 1, 2, 3]);
});

it('one who gives up takes no place', async () => {
  const gate = new LaunchGate(1);
  const leave = await gate.enter(never);
  const impatient = new AbortController();
  const waiting = gate.enter(impatient.signal);
  const next = gate.enter(never);
  impatient.abort(new Error('gave up'));
  await expect(waiting).rejects.toThrow('gave up');
  await expect(gate.enter(impatient.signal)).rejects.toThrow('gave up');
  leave();
  (await next)();
  (await gate.enter(never))();
});

it('the place of one who leaves is never taken by somebody who came later', async () => {
  const gate = new LaunchGate(1);
  const order: string[] = [];
  const enter = (name: string) =>
    gate.enter(never).then((leave) => {
      order.push(name);
      return leave;
    });
  const leave = await enter('first');
  const second = enter('second');
  leave();
  const third = enter('third');
  await new Promise(setImmediate);
  expect(order).toEqual(['first', 'second']);
  (await second)();
  (await third)();
  expect(order).toEqual(['first', 'second', 'third']);
});

it('one who is let in listens no more to its signal, and one who gives up after that keeps its place', async () => {
  const gate = new LaunchGate(1);
  const leave = await gate.enter(never);
  const caller = new AbortController();
  const entered = gate.enter(caller.signal);
  leave();
  const leaveSecond = await entered;
  caller.abort(new Error('too late'));
  let inside = false;
  const third = gate.enter(never).then((leaveThird) => {
    inside = true;
    leaveThird();
  });
  await new Promise(setImmediate);
  expect(inside).toBe(false);
  leaveSecond();
  await third;
});
